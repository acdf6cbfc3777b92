// Which origins browsers may call from.
#include "server/cors.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Cors, WithoutAListOnlyThisMachineMayCall) {
  const Cors cors({});
  for (const char* origin : {"http://localhost", "http://localhost:5173", "http://127.0.0.1:80"}) {
    EXPECT_TRUE(cors.allows(origin)) << origin;
  }
  for (const char* origin :
       {"https://localhost:1", "http://localhost.evil.com",
        "http://localhost:", "http://localhost:80.evil.com", "http://127.0.0.11", "null", ""}) {
    EXPECT_FALSE(cors.allows(origin)) << origin;
  }
}

TEST(Cors, WithAListOnlyItsOriginsMayCall) {
  const Cors cors({"https://app.example"});
  EXPECT_TRUE(cors.allows("https://app.example"));
  EXPECT_FALSE(cors.allows("http://localhost:5173"));
  EXPECT_FALSE(cors.allows("https://app.example.evil.com"));
}

TEST(Cors, HeadersNameTheOriginAndNeverAStar) {
  const Cors cors({});
  const std::string headers = cors.preflight_headers("http://localhost:1");
  EXPECT_NE(headers.find("Access-Control-Allow-Origin: http://localhost:1\r\n"), std::string::npos);
  EXPECT_NE(headers.find("PATCH"), std::string::npos);
  EXPECT_EQ(cors.preflight_headers("http://evil").find("Allow"), std::string::npos);
}

}  // namespace
}  // namespace ferres
