// What a credential must look like, and what each wrong one is answered.
#include "auth/api_keys.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(ApiKeys, KnownKeyIsAdmin) {
  const ApiKeys keys({"first", "second"});
  for (const char* header : {"Bearer first", "Bearer second", "bearer  second "}) {
    const Result<Principal> who = keys.authenticate(header);
    ASSERT_TRUE(who.ok()) << header;
    EXPECT_EQ(who->user, "api_key");
    EXPECT_EQ(who->role, Role::kAdmin);
  }
}

TEST(ApiKeys, MissingOrMalformedHeaderIsUnauthenticated) {
  const ApiKeys keys({"first"});
  EXPECT_EQ(keys.authenticate(std::nullopt).error().code(), Code::kUnauthenticated);
  for (const char* header : {"", "Bearer", "Bearer ", "Bearer    ", "Basic first", "first"}) {
    EXPECT_EQ(keys.authenticate(header).error().code(), Code::kUnauthenticated) << header;
  }
}

TEST(ApiKeys, UnknownKeyIsForbiddenAndNotRepeated) {
  const ApiKeys keys({"first"});
  for (const char* header : {"Bearer firs", "Bearer firstx", "Bearer FIRST"}) {
    const Result<Principal> who = keys.authenticate(header);
    ASSERT_FALSE(who.ok()) << header;
    EXPECT_EQ(who.error().code(), Code::kForbidden);
    EXPECT_EQ(who.error().message(), "invalid API key");
  }
}

TEST(ApiKeys, EmptyStringsAreNoKeys) {
  const ApiKeys keys({"", ""});
  EXPECT_TRUE(keys.empty());
  EXPECT_TRUE(keys.authenticate(std::nullopt).ok());
}

TEST(ApiKeys, GeneratedKeysAreLongAndDiffer) {
  const std::string key = generate_api_key();
  EXPECT_EQ(key.substr(0, 10), "ferres_sk_");
  EXPECT_EQ(key.size(), 10 + 48u);
  EXPECT_EQ(key.find_first_not_of("0123456789abcdef", 10), std::string::npos);
  EXPECT_NE(key, generate_api_key());
}

TEST(Role, RisingRolesMayDoMore) {
  EXPECT_TRUE(allows(Role::kViewer, Permission::kRead));
  EXPECT_FALSE(allows(Role::kViewer, Permission::kWrite));
  EXPECT_TRUE(allows(Role::kEditor, Permission::kCreate));
  EXPECT_FALSE(allows(Role::kEditor, Permission::kDelete));
  EXPECT_TRUE(allows(Role::kAdmin, Permission::kAdmin));
}

}  // namespace
}  // namespace ferres
