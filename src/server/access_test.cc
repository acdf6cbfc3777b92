// Every operation for every kind of caller: who is refused, how, and that a refused call changes
// nothing. Two tenants on one collection: neither sees the other.
#include <gtest/gtest.h>

#include "api/test_api.h"
#include "server/service.h"

namespace ferres {
namespace {

/// What no refused call may change.
struct State {
  size_t collections = 0;
  Lsn lsn = 0;
  size_t keys = 0;
  size_t users = 0;
  bool operator==(const State&) const = default;
};

class AccessTest : public ApiTest {
 protected:
  void SetUp() override {
    create();
    ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"p1","vector":[1,2],"namespace":"theirs",)"
                                    R"("metadata":{"department":"hr"}}]})")
                  .status,
              200);
  }
  std::string key(Role role, Limits limits = {}, std::optional<uint64_t> expires_at = {}) {
    NewKey wanted;
    wanted.name = "test";
    wanted.role = role;
    wanted.limits = std::move(limits);
    wanted.expires_at = expires_at;
    auto made = accounts_->make_key(std::move(wanted));
    EXPECT_TRUE(made.ok());
    last_key_ = made->info.id;
    return made->key;
  }
  HttpResponse ask(std::string_view method, const std::string& target, const std::string& key,
                   std::string body = "{}") {
    HttpRequest request;
    request.method = method;
    request.target = target;
    const std::string header = "Bearer " + key;
    if (!key.empty()) request.authorization = header;
    request.content_type = "application/json";
    request.body = std::move(body);
    std::optional<HttpResponse> response;
    const auto sink = service_.handle(std::move(request),
                                      [&](HttpResponse given) { response = std::move(given); });
    if (sink != nullptr) sink->end();
    executor_.run_all();
    EXPECT_TRUE(response.has_value()) << method << " " << target;
    return response.value_or(HttpResponse{});
  }
  HttpResponse ask(const Operation& row, const std::string& key, const std::string& query = "") {
    std::string target(row.path);
    for (const auto& [name, value] : {std::pair<std::string, std::string>{":name", "docs"},
                                      {"*id", "1"},
                                      {":id", "1"},
                                      {"*ns", "theirs"},
                                      {":ns", "theirs"},
                                      {":user", "root"}}) {
      if (const size_t at = target.find(name); at != std::string::npos)
        target.replace(at, name.size(), value);
    }
    return ask(verb_name(row.verb), target + query, key);
  }
  State state() const {
    return {db_->list().size(), (*db_->find("docs"))->stats().lsn, accounts_->keys().size(),
            accounts_->users().size()};
  }
  /// The call is refused with this word, and nothing has changed.
  void expect_refused(const Operation& row, const std::string& key, int status,
                      std::string_view word, const std::string& query = "") {
    const State before = state();
    const HttpResponse response = ask(row, key, query);
    EXPECT_EQ(response.status, status) << row.name << " " << response.body;
    EXPECT_NE(response.body.find("\"error\":\"" + std::string(word) + "\""), std::string::npos)
        << row.name << " " << response.body;
    EXPECT_EQ(state(), before) << row.name;
  }
  static Limits within(std::vector<std::string> namespaces) {
    return {.namespaces = std::move(namespaces), .grants = {}};
  }
  static Limits granted(std::string collection, std::optional<Restriction> restriction = {}) {
    return {.namespaces = {},
            .grants = {{.collection = std::move(collection),
                        .actions = {Permission::kRead, Permission::kWrite, Permission::kCreate,
                                    Permission::kDelete, Permission::kAdmin},
                        .restriction = std::move(restriction)}}};
  }

  Service service_{*context_, {.cors = Cors({})}};
  uint64_t last_key_ = 0;
};

bool of_collection(const Operation& row) {
  return row.path.find("/:name") != std::string_view::npos;
}

TEST_F(AccessTest, WithoutACredentialOnlyPublicOperationsAnswer) {
  const std::string expired = key(Role::kAdmin, {}, clock_.unix_micros() / 1'000'000 + 1);
  const std::string revoked = key(Role::kAdmin);
  ASSERT_TRUE(accounts_->remove_key(last_key_).ok());
  clock_.advance_micros(2'000'000);
  for (const Operation& row : api_operations()) {
    if (row.permission == Permission::kPublic) {
      const int status = ask(row, "").status;
      EXPECT_TRUE(status == 200 || status == 422) << row.name << " " << status;
      continue;
    }
    expect_refused(row, "", 401, "unauthorized");
    expect_refused(row, "unknown", 403, "forbidden");
    expect_refused(row, expired, 403, "forbidden");
    expect_refused(row, revoked, 403, "forbidden");
    expect_refused(row, "eyJ.eyJ.x", 401, "unauthorized");
  }
}

TEST_F(AccessTest, ARoleMayDoWhatItsTableSays) {
  for (const Role role : {Role::kViewer, Role::kEditor}) {
    const std::string caller = key(role);
    for (const Operation& row : api_operations()) {
      if (!allows(role, row.permission)) {
        expect_refused(row, caller, 403, "forbidden");
      } else if (row.permission == Permission::kRead) {
        EXPECT_NE(ask(row, caller).status, 403) << row.name;
      }
    }
  }
}

TEST_F(AccessTest, AnAdminIsRefusedNothing) {
  key(Role::kViewer);  // to be changed and deleted
  const std::string caller = key(Role::kAdmin);
  for (const Operation& row : api_operations()) {
    const int status = ask(row, caller).status;
    EXPECT_TRUE(status != 401 && status != 403) << row.name << " " << status;
    if (row.name == "delete_collection") create();
  }
}

TEST_F(AccessTest, PermissionsOnOneCollectionAreNoneOnAnother) {
  const std::string caller = key(Role::kEditor, granted("other"));
  for (const Operation& row : api_operations())
    if (of_collection(row)) expect_refused(row, caller, 403, "forbidden");
  EXPECT_EQ(ask("GET", "/api/v1/collections", caller).body, R"({"collections":[]})");
  const char* const other = R"({"name":"other","dimension":2,"distance":"Cosine"})";
  const char* const third = R"({"name":"third","dimension":2,"distance":"Cosine"})";
  EXPECT_EQ(ask("POST", "/api/v1/collections", caller, third).status, 403);
  EXPECT_EQ(ask("POST", "/api/v1/collections", caller, other).status, 201);
  EXPECT_EQ(ask("DELETE", "/api/v1/collections/other", caller).status, 204);
}

TEST_F(AccessTest, WhatConcernsEverybodysPointsIsNotForLimitedCallers) {
  const std::string tenant = key(Role::kAdmin, within({"mine"}));
  const std::string restricted =
      key(Role::kEditor, granted("docs", Restriction{"department", R"(["sales"])"}));
  for (const Operation& row : api_operations()) {
    if (row.reach != Reach::kAll) continue;
    expect_refused(row, tenant, 403, "forbidden");
    if (of_collection(row)) expect_refused(row, restricted, 403, "forbidden");
  }
}

TEST_F(AccessTest, AnotherNamespaceIsRefusedWhereverItIsNamed) {
  const std::string tenant = key(Role::kAdmin, within({"mine"}));
  for (const Operation& row : api_operations()) {
    if (row.permission != Permission::kPublic)
      expect_refused(row, tenant, 403, "forbidden_namespace", "?namespace=theirs");
  }
  const std::string docs = "/api/v1/collections/docs";
  const char* const of_theirs[][2] = {
      {"/search", R"({"vector":[1,2],"limit":1,"namespace":"theirs"})"},
      {"/search", R"({"vector":[1,2],"limit":1,"filter":{"$namespace":"theirs"}})"},
      {"/search", R"({"id":"p1","limit":1,"namespace":"theirs"})"},
      {"/points/count", R"({"namespace":"theirs"})"},
      {"/points/count", R"({"filter":{"$namespace":"theirs"}})"},
      {"/points/delete", R"({"ids":["p1"],"namespace":"theirs"})"},
      {"/points", R"({"points":[{"id":"p1","vector":[1,2],"namespace":"theirs"}]})"},
      {"/export", R"({"namespace":"theirs"})"},
      {"/namespaces/theirs/snapshot", "{}"},
  };
  const State before = state();
  for (const auto& [path, body] : of_theirs) {
    const HttpResponse response = ask("POST", docs + path, tenant, body);
    EXPECT_EQ(response.status, 403) << path << body << response.body;
    EXPECT_NE(response.body.find("does not have access to this namespace"), std::string::npos);
  }
  EXPECT_EQ(ask("DELETE", docs + "/namespaces/theirs", tenant).status, 403);
  EXPECT_EQ(
      ask("GET", docs + "/points?filter=%7B%22%24namespace%22:%22theirs%22%7D", tenant).status,
      403);
  EXPECT_EQ(state(), before);
}

TEST_F(AccessTest, AKeyOfOneNamespaceLivesInIt) {
  const std::string tenant = key(Role::kEditor, within({"mine"}));
  const std::string docs = "/api/v1/collections/docs";
  EXPECT_EQ(ask("GET", docs + "/points/p1", tenant).status, 404);
  EXPECT_EQ(ask("GET", docs + "/points", tenant).body.find("p1"), std::string::npos);
  EXPECT_EQ(ask("GET", "/api/v1/collections", tenant).body, R"({"collections":[]})");
  EXPECT_NE(ask("GET", docs, tenant).body.find(R"("num_points":0)"), std::string::npos);
  EXPECT_EQ(
      ask("POST", docs + "/points", tenant, R"({"points":[{"id":"p1","vector":[2,1]}]})").status,
      200);
  EXPECT_EQ(ask("GET", docs + "/points/p1", tenant).status, 200);
  EXPECT_EQ((*db_->find("docs"))->get("p1", "theirs")->vector, (std::vector<float>{1, 2}));
  for (const char* body : {R"({"vector":[1,2],"limit":9})", R"({"id":"p1","limit":9})"}) {
    const HttpResponse found = ask("POST", docs + "/search", tenant, body);
    EXPECT_EQ(found.body.find("hr"), std::string::npos) << found.body;
  }
  EXPECT_EQ(ask("POST", docs + "/points/count", tenant).body, R"({"count":1})");
  EXPECT_NE(
      ask("GET", docs + "/namespaces", tenant).body.find(R"([{"namespace":"mine","points":1}])"),
      std::string::npos);
  const HttpResponse exported = ask("POST", docs + "/export", tenant);
  ASSERT_NE(exported.source, nullptr);
  const auto piece = exported.source->next();
  ASSERT_TRUE(piece.ok() && piece->has_value());
  EXPECT_NE((*piece)->find("mine"), std::string::npos);
  EXPECT_EQ((*piece)->find("theirs"), std::string::npos);
  EXPECT_NE(
      ask("DELETE", docs + "/points", tenant, R"({"ids":["p1"]})").body.find(R"("deleted":1)"),
      std::string::npos);
  EXPECT_TRUE((*db_->find("docs"))->get("p1", "theirs").ok());
}

TEST_F(AccessTest, AKeyOfSeveralNamespacesReadsThemAndNamesOneToWrite) {
  const std::string tenant = key(Role::kEditor, within({"a", "b"}));
  const std::string docs = "/api/v1/collections/docs";
  for (const char* ns : {"a", "b"}) {
    EXPECT_EQ(ask("POST", docs + "/points?namespace=" + ns, tenant,
                  R"({"points":[{"id":"x","vector":[1,2],"metadata":{"in":")" + std::string(ns) +
                      R"("}}]})")
                  .status,
              200);
  }
  const HttpResponse found = ask("POST", docs + "/search", tenant, R"({"vector":[1,2],"limit":9})");
  EXPECT_NE(found.body.find(R"("in":"a")"), std::string::npos);
  EXPECT_NE(found.body.find(R"("in":"b")"), std::string::npos);
  EXPECT_EQ(found.body.find("hr"), std::string::npos);
  EXPECT_EQ(ask("POST", docs + "/points/count", tenant).body, R"({"count":2})");
  EXPECT_EQ(ask("GET", docs + "/points?offset=1", tenant).body.find("hr"), std::string::npos);
  for (const char* body : {R"({"points":[{"id":"x","vector":[1,2]}]})"})
    EXPECT_EQ(ask("POST", docs + "/points", tenant, body).status, 403);
  EXPECT_EQ(ask("GET", docs + "/points/x", tenant).status, 403);
  EXPECT_EQ(ask("POST", docs + "/points/delete", tenant, R"({"ids":["x"]})").status, 403);
  EXPECT_EQ(ask("POST", docs + "/search", tenant, R"({"id":"x","limit":9})").status, 403);
}

TEST_F(AccessTest, AMetadataRestrictionHidesPointsEverywhere) {
  ASSERT_EQ(call("upsert_points",
                 R"({"points":[{"id":"s","vector":[1,2],"metadata":{"department":"sales","n":1}},)"
                 R"({"id":"h","vector":[1,2],"metadata":{"department":"hr","n":2}}]})")
                .status,
            200);
  const std::string caller =
      key(Role::kEditor, granted("docs", Restriction{"department", R"(["sales"])"}));
  const std::string docs = "/api/v1/collections/docs";
  for (const char* body : {R"({"vector":[1,2],"limit":9})",
                           R"({"vector":[1,2],"limit":9,"filter":{"department":"hr"}})",
                           R"({"vector":[1,2],"limit":9,"filter":{"$or":[{"n":1},{"n":2}]}})"}) {
    const HttpResponse found = ask("POST", docs + "/search", caller, body);
    EXPECT_NE(found.body.find(R"("id":"s")"), std::string::npos) << found.body;
    EXPECT_EQ(found.body.find("hr"), std::string::npos) << found.body;
  }
  EXPECT_EQ(ask("POST", docs + "/points/count", caller).body, R"({"count":1})");
  EXPECT_EQ(ask("GET", docs + "/points", caller).body.find("hr"), std::string::npos);
  EXPECT_EQ(ask("GET", docs + "/points/h", caller).status, 404);
  EXPECT_EQ(ask("GET", docs + "/points/s", caller).status, 200);
  EXPECT_EQ(ask("POST", docs + "/search", caller, R"({"id":"h","limit":9})").status, 404);
  EXPECT_NE(ask("GET", docs, caller).body.find(R"("num_points":1)"), std::string::npos);
  EXPECT_NE(ask("POST", docs + "/points/delete", caller, R"({"ids":["h","s"]})")
                .body.find(R"("deleted":1)"),
            std::string::npos);
  const HttpResponse written =
      ask("POST", docs + "/points", caller,
          R"({"points":[{"id":"h","vector":[1,2],"metadata":{"department":"sales"}},)"
          R"({"id":"new","vector":[1,2],"metadata":{"department":"hr"}},)"
          R"({"id":"good","vector":[1,2],"metadata":{"department":"sales"}}]})");
  EXPECT_NE(written.body.find(R"("upserted":1)"), std::string::npos) << written.body;
  EXPECT_EQ((*db_->find("docs"))->get("h", std::nullopt)->metadata_json,
            R"({"department":"hr","n":2})");
}

TEST_F(AccessTest, WhoFellCannotRotateWhatItMadeBefore) {
  const std::string fallen = key(Role::kAdmin);
  const uint64_t fallen_id = last_key_;
  const HttpResponse made = ask("POST", "/api/v1/keys", fallen, R"({"name":"child"})");
  ASSERT_EQ(made.status, 200) << made.body;
  KeyChange change;
  change.role = Role::kEditor;
  ASSERT_TRUE(accounts_->change_key(fallen_id, change).ok());
  const std::string child = "/api/v1/keys/" + std::to_string(fallen_id + 1);
  EXPECT_EQ(ask("POST", child + "/rotate", fallen).status, 403);
  EXPECT_EQ(ask("PUT", child, fallen, R"({"allowed_namespaces":null})").status, 403);
  EXPECT_EQ(ask("DELETE", child, fallen).status, 200);
}

TEST_F(AccessTest, AKeyThatEndsMakesNoneThatEndsLater) {
  const uint64_t end = clock_.unix_micros() / 1'000'000 + 10;
  const std::string maker = key(Role::kAdmin, {}, end);
  const std::string later = std::to_string(end + 1);
  EXPECT_EQ(ask("POST", "/api/v1/keys", maker, R"({"name":"a","expires_at":)" + later + "}").status,
            403);
  const HttpResponse made = ask("POST", "/api/v1/keys", maker, R"({"name":"a"})");
  EXPECT_NE(made.body.find("\"expires_at\":" + std::to_string(end)), std::string::npos)
      << made.body;
}

TEST_F(AccessTest, OnlyAnAdminOfAllNamespacesPurges) {
  const std::string tenant = key(Role::kAdmin, within({"theirs"}));
  const std::string granted_key = key(Role::kEditor, granted("docs"));
  const std::string docs = "/api/v1/collections/docs";
  for (const std::string& caller : {tenant, granted_key})
    EXPECT_EQ(ask("DELETE", docs + "/namespaces/theirs?purge=true", caller).status, 403);
  EXPECT_EQ(ask("DELETE", docs + "?purge=true", granted_key).status, 403);
  EXPECT_EQ(ask("DELETE", docs + "/namespaces/theirs", tenant).status, 200);
}

TEST_F(AccessTest, WhatCannotBeReadAgainIsNotKept) {
  const std::string admin = key(Role::kAdmin);
  const std::string keys = "/api/v1/keys";
  const std::string name(300, 'n');
  std::string deep = "1";
  for (int i = 0; i < 50; ++i)
    deep = "[" + deep + "]";
  const std::string body =
      R"({"name":"a","role":"viewer","permissions":[{"resource":{"type":"all_collections"},)"
      R"("actions":["read"],"metadata_restriction":{"field":"f","allowed_values":)" +
      deep + "}}]}";
  EXPECT_EQ(
      ask("POST", keys, admin, R"({"name":"a","allowed_namespaces":[")" + name + "\"]}").status,
      400);
  EXPECT_EQ(ask("POST", keys, admin, body).status, 422);
}

TEST_F(AccessTest, ARevokedKeysImportEnds) {
  const std::string caller = "Bearer " + key(Role::kEditor);
  HttpRequest request;
  request.method = "POST";
  request.target = "/api/v1/collections/docs/import";
  request.authorization = caller;
  request.content_type = "application/x-ndjson";
  std::optional<HttpResponse> response;
  const auto sink =
      service_.handle(std::move(request), [&](HttpResponse given) { response = std::move(given); });
  ASSERT_NE(sink, nullptr);
  sink->write("{\"id\":\"before\",\"vector\":[1,2]}\n", [] {});
  ASSERT_TRUE(accounts_->remove_key(last_key_).ok());
  sink->write("{\"id\":\"after\",\"vector\":[1,2]}\n", [] {});
  executor_.run_all();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 403) << response->body;
  EXPECT_EQ((*db_->find("docs"))->get("after", std::nullopt).error().code(), Code::kNotFound);
}

TEST_F(AccessTest, AnOpenDoorIsForThisMachineAlone) {
  const auto open = Accounts::open(
      files_, clock_,
      {.path = "data/system/open.json", .keys = {}, .token_secret = {}, .open_without_keys = true});
  Context context(*db_, *open, clock_, files_, executor_, executor_, "test", "data", "127.0.0.1:1");
  Service service(context, {.cors = Cors({})});
  const auto status = [&](std::optional<std::string_view> host,
                          std::optional<std::string_view> origin) {
    HttpRequest request;
    request.method = "GET";
    request.target = "/api/v1/collections";
    request.host = host;
    request.origin = origin;
    int answered = 0;
    service.handle(std::move(request), [&](HttpResponse given) { answered = given.status; });
    return answered;
  };
  for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:80", "[::1]:8080", "[::1]"})
    EXPECT_EQ(status(host, std::nullopt), 200) << host;
  EXPECT_EQ(status(std::nullopt, std::nullopt), 200);
  EXPECT_EQ(status("localhost:8080", "http://localhost:5173"), 200);
  for (const char* host :
       {"evil.example", "evil.example:8080", "localhost.evil.example", "127.evil.example", ""})
    EXPECT_EQ(status(host, std::nullopt), 403) << host;
  EXPECT_EQ(status("localhost:8080", "http://evil.example"), 403);
}

TEST_F(AccessTest, RefusalsAndChangesAreInTheAuditLog) {
  auto log = AuditLog::open(files_, executor_, "data/logs", 365);
  ASSERT_TRUE(log.ok());
  context_->audit = *log;
  const std::string viewer = key(Role::kViewer);
  const std::string admin = key(Role::kAdmin);
  const std::string docs = "/api/v1/collections/docs";
  ask("GET", docs, "");
  ask("DELETE", docs, viewer);
  ask("POST", docs + "/search", viewer, R"({"vector":[1,2],"limit":1})");
  ask("POST", docs + "/points", admin,
      R"({"points":[{"id":"a","vector":[1,2]},{"id":"b","vector":[1]}]})");
  ask("POST", "/api/v1/keys", admin, R"({"name":"made"})");
  ask("POST", "/api/v1/auth/login", "", R"({"username":"ann","password":"wrong wrong"})");
  const HttpResponse answer = ask("GET", "/api/v1/audit?limit=9", admin);
  std::string told;
  simdjson::dom::parser parser;
  const simdjson::dom::array entries = parser.parse(answer.body).get_array();
  for (const simdjson::dom::element entry : entries) {
    for (const char* field : {"user_id", "action", "resource", "result"})
      told += std::string(std::string_view(entry[field])) + " ";
    told += "\n";
  }
  EXPECT_EQ(told,
            "ann login user:ann denied \n"
            "api_key create_api_key api_key:made success \n"
            "api_key upsert collection:docs partial \n"
            "api_key delete_collection collection:docs denied \n"
            "anonymous get_collection collection:docs denied \n");
  EXPECT_EQ(check_audit_log(files_, "data/logs")->broken, "");
}

TEST_F(AccessTest, AnEditorsKeysMayDoNoMoreThanItself) {
  const std::string editor = key(Role::kEditor);
  const std::string keys = "/api/v1/keys";
  EXPECT_EQ(ask("GET", keys, editor).body, "[]");
  EXPECT_EQ(ask("POST", keys, editor, R"({"name":"a","role":"admin"})").status, 403);
  const HttpResponse made = ask("POST", keys, editor, R"({"name":"a"})");
  EXPECT_NE(made.body.find(R"("role":"editor")"), std::string::npos) << made.body;
  EXPECT_NE(ask("GET", keys, editor).body.find(R"("name":"a")"), std::string::npos);
  const std::string not_its_own = keys + "/1";
  EXPECT_EQ(ask("DELETE", not_its_own, editor).status, 404);
  EXPECT_EQ(ask("PUT", not_its_own, editor, R"({"allowed_namespaces":null})").status, 404);
  EXPECT_EQ(ask("POST", keys, editor, R"({"name":"a","permissions":[]})").status, 403);
}

}  // namespace
}  // namespace ferres
