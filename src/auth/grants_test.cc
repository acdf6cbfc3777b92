// Roles, grants and their JSON.
#include "auth/grants.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

Result<std::vector<Grant>> read(std::string json) {
  TRY_ASSIGN(const JsonValue value, parse_body(json));
  return read_grants(value, "permissions");
}

Principal viewer(const std::string& grants) {
  auto read_grants = read(grants);
  EXPECT_TRUE(read_grants.ok()) << grants;
  Principal who;
  who.limits =
      std::make_shared<Limits>(Limits{.namespaces = {}, .grants = *std::move(read_grants)});
  return who;
}

TEST(Role, RisingRolesMayDoMore) {
  EXPECT_TRUE(allows(Role::kViewer, Permission::kRead));
  EXPECT_FALSE(allows(Role::kViewer, Permission::kWrite));
  EXPECT_TRUE(allows(Role::kEditor, Permission::kCreate));
  EXPECT_FALSE(allows(Role::kEditor, Permission::kDelete));
  EXPECT_FALSE(allows(Role::kViewer, Permission::kEditor));
  EXPECT_TRUE(allows(Role::kAdmin, Permission::kAdmin));
}

constexpr char kGrants[] =
    R"([{"resource":{"type":"collection","name":"sales"},"actions":["write"],)"
    R"("metadata_restriction":{"field":"department","allowed_values":["sales",1]}},)"
    R"({"resource":{"type":"all_collections"},"actions":["read"]}])";

TEST(Grants, TheOneOfTheCollectionWinsOverTheOneOfAll) {
  const Principal who = viewer(kGrants);
  EXPECT_TRUE(who.may(Permission::kWrite, "sales"));
  EXPECT_FALSE(who.may(Permission::kRead, "sales"));
  EXPECT_TRUE(who.may(Permission::kRead, "other"));
  EXPECT_FALSE(who.may(Permission::kWrite, "other"));
  EXPECT_TRUE(who.may_somewhere(Permission::kWrite));
  EXPECT_FALSE(who.may_somewhere(Permission::kCreate));
  ASSERT_NE(who.restriction("sales"), nullptr);
  EXPECT_EQ(who.restriction("sales")->values_json, R"(["sales",1])");
  EXPECT_EQ(who.restriction("other"), nullptr);
  EXPECT_FALSE(who.sees_all("sales"));
  EXPECT_TRUE(who.sees_all("other"));
}

TEST(Grants, WhereNoneIsNothingIsAllowed) {
  const Principal who =
      viewer(R"([{"resource":{"type":"collection","name":"a"},"actions":["read"]}])");
  EXPECT_TRUE(who.may(Permission::kRead, "a"));
  EXPECT_FALSE(who.may(Permission::kRead, "b"));
}

TEST(Grants, AnEmptyListIsTheRolesTable) {
  const Principal who = viewer("[]");
  EXPECT_TRUE(who.may(Permission::kRead, "a"));
  EXPECT_FALSE(who.may(Permission::kWrite, "a"));
}

TEST(Grants, AnAdminMayDoEverything) {
  Principal who = viewer(kGrants);
  who.role = Role::kAdmin;
  EXPECT_TRUE(who.may(Permission::kDelete, "sales"));
  EXPECT_EQ(who.restriction("sales"), nullptr);
}

TEST(Grants, AreWrittenAsTheyWereRead) {
  JsonWriter json;
  write_grants(json, *read(kGrants));
  EXPECT_EQ(json.text(), kGrants);
}

TEST(Grants, WrongShapesAreTold) {
  for (const char* json : {
           "{}",
           "[1]",
           R"([{"actions":["read"]}])",
           R"([{"resource":{"type":"all_collections"}}])",
           R"([{"resource":{"type":"collection"},"actions":["read"]}])",
           R"([{"resource":{"type":"some"},"actions":["read"]}])",
           R"([{"resource":{"type":"all_collections"},"actions":["fly"]}])",
           R"([{"resource":{"type":"all_collections"},"actions":["read"],)"
           R"("metadata_restriction":{"field":"$or","allowed_values":[]}}])",
           R"([{"resource":{"type":"all_collections"},"actions":["read"]},)"
           R"({"resource":{"type":"all_collections"},"actions":["write"]}])",
       }) {
    EXPECT_FALSE(read(json).ok()) << json;
  }
}

}  // namespace
}  // namespace ferres
