// Which request target reaches which operation, and with what.
#include "server/router.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

const Router& router() {
  static const Router instance(api_operations());
  return instance;
}

std::string name_of(std::string_view method, std::string_view target) {
  std::string allowed;
  const Result<Route> route = router().route(method, target, &allowed);
  return route.ok() ? std::string(route->operation->name) : std::string(route.error().message());
}

TEST(Router, EveryOperationIsReachedByItsOwnPath) {
  for (const Operation& row : api_operations()) {
    std::string target(row.path);
    if (const size_t at = target.find(":name"); at != std::string::npos)
      target.replace(at, 5, "docs");
    if (const size_t at = target.find("*id"); at != std::string::npos) target.replace(at, 3, "p1");
    std::string allowed;
    const Result<Route> route = router().route(verb_name(row.verb), target, &allowed);
    ASSERT_TRUE(route.ok()) << target;
    EXPECT_EQ(route->operation, &row) << target;
  }
}

TEST(Router, IdsKeepSlashesSpacesAndSigns) {
  const std::string base = "/api/v1/collections/docs/points/";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a%2Fb", "a/b"},
      {"a/b/c", "a/b/c"},
      {"a:b@c", "a:b@c"},
      {"a+b%20c", "a+b c"},
      {"%C3%A9%F0%9F%98%80", "\xC3\xA9\xF0\x9F\x98\x80"},
      {"\xC3\xA9", "\xC3\xA9"},
      {"it's%22", "it's\""},
      {"/", "/"},
      {"..%2F..%2Fetc", "../../etc"},
      {"a%00b", std::string("a\0b", 3)},
      {"stats", "stats"}};
  for (const auto& [raw, id] : cases) {
    std::string allowed;
    const Result<Route> route = router().route("GET", base + raw, &allowed);
    ASSERT_TRUE(route.ok()) << raw;
    EXPECT_EQ(route->operation->name, "get_point") << raw;
    EXPECT_EQ(route->item, id) << raw;
    EXPECT_EQ(route->collection, "docs") << raw;
  }
}

TEST(Router, QueryIsFormDecoded) {
  std::string allowed;
  const Result<Route> route = router().route(
      "GET", "/api/v1/collections/docs/points?filter=%7B%22a%22:+1%7D&limit=5&&flag&x=a=b",
      &allowed);
  ASSERT_TRUE(route.ok());
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"filter", "{\"a\": 1}"}, {"limit", "5"}, {"flag", ""}, {"x", "a=b"}};
  EXPECT_EQ(route->query, expected);
}

TEST(Router, BrokenEncodingIsInvalid) {
  for (const char* target :
       {"/api/v1/collections/%", "/api/v1/collections/%2", "/api/v1/collections/%GG",
        "/api/v1/collections/%FF", "/api/v1/collections/a\xFF", "/health?a=%f"}) {
    std::string allowed;
    const Result<Route> route = router().route("GET", target, &allowed);
    ASSERT_FALSE(route.ok()) << target;
    EXPECT_EQ(route.error().code(), Code::kInvalidArgument) << target;
  }
}

TEST(Router, UnknownPathsAreNotFound) {
  for (const char* target :
       {"/", "", "*", "/healthz", "/health/", "/api/v1", "/api/v1/collections/",
        "/api/v1/collections/docs/points/", "/api/v1/collections//points",
        "/api/v1/collections/docs/nothing", "//health"}) {
    std::string allowed;
    const Result<Route> route = router().route("GET", target, &allowed);
    ASSERT_FALSE(route.ok()) << target;
    EXPECT_EQ(route.error().code(), Code::kNotFound) << target;
  }
}

TEST(Router, WrongMethodTellsTheAllowedOnes) {
  std::string allowed;
  const Result<Route> route = router().route("PUT", "/api/v1/collections/docs", &allowed);
  ASSERT_FALSE(route.ok());
  EXPECT_EQ(route.error().code(), Code::kReadOnly);
  EXPECT_EQ(allowed, "GET, PATCH, DELETE");
}

TEST(Router, HeadIsAskedAsGet) {
  EXPECT_EQ(name_of("HEAD", "/health"), "health");
}

}  // namespace
}  // namespace ferres
