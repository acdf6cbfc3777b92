// The table of operations as a whole, and the operations that need no collection.
#include "api/operations.h"

#include <set>

#include <gtest/gtest.h>

#include "api/test_api.h"

namespace ferres {
namespace {

TEST(Operations, EachRouteIsThereOnce) {
  std::set<std::string> seen;
  for (const Operation& row : api_operations()) {
    const std::string route = std::string(verb_name(row.verb)) + " " + std::string(row.path);
    EXPECT_TRUE(seen.insert(route).second) << route;
    EXPECT_NE(row.handler, nullptr) << route;
  }
}

TEST(Operations, OnlyHealthMetricsAndLoginArePublic) {
  for (const Operation& row : api_operations()) {
    const bool open = row.name == "health" || row.name == "metrics";
    EXPECT_EQ(row.permission == Permission::kPublic, open || row.name == "login") << row.name;
    EXPECT_EQ(row.path.starts_with("/api/v1/"), !open) << row.name;
  }
}

TEST(Operations, WhatWritesAsksForMoreThanReading) {
  for (const Operation& row : api_operations()) {
    if (row.verb == Verb::kGet) {
      EXPECT_FALSE(row.writes) << row.name;
      continue;
    }
    EXPECT_TRUE(!row.writes || row.permission >= Permission::kWrite) << row.name;
    // What an administrator does to this server alone.
    const bool local = row.name == "checkpoint" || row.name == "cancel_task";
    EXPECT_TRUE(row.writes || local || row.permission < Permission::kWrite) << row.name;
  }
}

// Paths as the specification writes them: ":name" is "{name}", "*id" is "{id}".
std::string spec_path(std::string_view path) {
  std::string text;
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t slash = rest.find('/', 1);
    const std::string_view segment =
        rest.substr(1, slash == std::string_view::npos ? slash : slash - 1);
    const bool variable = segment.starts_with(':') || segment.starts_with('*');
    text += variable ? "/{" + std::string(segment.substr(1)) + "}" : "/" + std::string(segment);
    rest = slash == std::string_view::npos ? "" : rest.substr(slash);
  }
  return text;
}

TEST(Operations, TheSpecificationHoldsTheSameRoutes) {
  const std::string here = __FILE__;  // relative to the build folder when paths are rewritten
  std::string path = here.substr(0, here.rfind("src/api")) + "spec/openapi.yaml";
  if (!posix_files().exists(path)) path = "spec/openapi.yaml";
  const Result<std::string> spec = read_file(posix_files(), path, 1 << 20);
  ASSERT_TRUE(spec.ok()) << path;
  std::set<std::string> specified;
  std::string current;
  std::string_view rest = *spec;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with("  /")) current = line.substr(2, line.size() - 3);
    for (const Verb verb : {Verb::kGet, Verb::kPost, Verb::kPut, Verb::kPatch, Verb::kDelete}) {
      std::string name(verb_name(verb));
      for (char& c : name)
        c = static_cast<char>(c - 'A' + 'a');
      if (line == "    " + name + ":") {
        specified.insert(std::string(verb_name(verb)) + " " + current);
      }
    }
  }
  std::set<std::string> offered;
  for (const Operation& row : api_operations()) {
    offered.insert(std::string(verb_name(row.verb)) + " " + spec_path(row.path));
  }
  EXPECT_EQ(specified, offered);
}

using OperationsTest = ApiTest;

TEST_F(OperationsTest, HealthTellsVersionAndCollections) {
  create();
  clock_.advance_micros(5'000'000);
  const Answer answer = call("health");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(at(answer, "/status"), "\"OK\"");
  EXPECT_EQ(at(answer, "/version"), "\"test\"");
  EXPECT_EQ(at(answer, "/collections/total"), "1");
  EXPECT_NE(at(answer, "/uptime_seconds"), "(none)");
}

TEST_F(OperationsTest, MetricsAreText) {
  create();
  const Answer answer = call("metrics");
  EXPECT_TRUE(answer.content_type.starts_with("text/plain"));
  EXPECT_NE(answer.body.find("\ncollections_active 1\n"), std::string::npos) << answer.body;
}

TEST_F(OperationsTest, SaveCheckpoints) {
  create();
  ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})").status, 200);
  EXPECT_EQ(at(call("health"), "/collections/dirty"), "1");
  EXPECT_EQ(call("save").body, R"({"ok":true})");
  EXPECT_EQ(at(call("health"), "/collections/dirty"), "0");
}

TEST_F(OperationsTest, ClusterIsOneLeader) {
  EXPECT_EQ(call("cluster").body, R"({"raft_enabled":false,"leader_id":"1",)"
                                  R"("nodes":[{"id":"1","addr":"127.0.0.1:1","role":"leader"}]})");
}

}  // namespace
}  // namespace ferres
