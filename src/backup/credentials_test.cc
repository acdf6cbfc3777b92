// The shared credentials file.
#include "backup/credentials.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

constexpr std::string_view kFile =
    "# comment\r\n"
    "[default]\r\n"
    "aws_access_key_id = AKIA1\r\n"
    "aws_secret_access_key=se=cret/+1\r\n"
    "\n"
    "[ other ]\n"
    "  aws_access_key_id\t=\tAKIA2\n"
    "aws_secret_access_key = secret2\n"
    "aws_session_token = token2\n"
    "[empty]\n"
    "region = eu-west-1";

TEST(Credentials, EachProfileHasItsOwn) {
  const auto first = parse_credentials(kFile, "default");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->access_key_id, "AKIA1");
  EXPECT_EQ(first->secret_access_key, "se=cret/+1");
  EXPECT_EQ(first->session_token, "");
  const auto second = parse_credentials(kFile, "other");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->access_key_id, "AKIA2");
  EXPECT_EQ(second->secret_access_key, "secret2");
  EXPECT_EQ(second->session_token, "token2");
}

TEST(Credentials, AProfileWithoutKeysIsNamedAndNothingElseIs) {
  for (const char* profile : {"empty", "nobody"}) {
    const auto found = parse_credentials(kFile, profile);
    ASSERT_FALSE(found.ok());
    EXPECT_NE(found.error().message().find(profile), std::string_view::npos);
    EXPECT_EQ(found.error().message().find("cret"), std::string_view::npos);
  }
  EXPECT_FALSE(parse_credentials("", "default").ok());
}

}  // namespace
}  // namespace ferres
