// Requests and answers of S3 as text.
#include "backup/s3_wire.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

S3Target target() {
  return {.endpoint = "http://127.0.0.1:9000",
          .region = "us-east-1",
          .bucket = "bucket",
          .access_key_id = "id",
          .secret_access_key = "secret",
          .session_token = ""};
}

TEST(S3Wire, TheBucketHasAPathOrAHost) {
  S3Target to = target();
  EXPECT_EQ(bucket_url(to), "http://127.0.0.1:9000/bucket");
  to.endpoint = "https://host/";
  EXPECT_EQ(bucket_url(to), "https://host/bucket");
  to.endpoint = "";
  to.region = "eu-west-1";
  EXPECT_EQ(bucket_url(to), "https://bucket.s3.eu-west-1.amazonaws.com");
  to.bucket = "my.bucket";
  EXPECT_EQ(bucket_url(to), "https://s3.eu-west-1.amazonaws.com/my.bucket");
}

TEST(S3Wire, ATargetIsCompleteAndPlain) {
  EXPECT_TRUE(check_target(target()).ok());
  const std::vector<std::pair<std::string S3Target::*, const char*>> wrong = {
      {&S3Target::region, ""},
      {&S3Target::region, "a b"},
      {&S3Target::bucket, ""},
      {&S3Target::bucket, "ab"},
      {&S3Target::bucket, "a/../b"},
      {&S3Target::bucket, "a?b=c"},
      {&S3Target::endpoint, "host:9000"},
      {&S3Target::endpoint, "file:///etc"},
      {&S3Target::endpoint, "http://user:word@host"},
      {&S3Target::endpoint, "http://host/path"},
      {&S3Target::endpoint, "http://host?query"},
      {&S3Target::endpoint, "http://host\r\nX: y"},
      {&S3Target::access_key_id, ""},
      {&S3Target::secret_access_key, ""},
      {&S3Target::access_key_id, "a\r\nb"},
      {&S3Target::session_token, "a\nb"},
  };
  for (const auto& [member, value] : wrong) {
    S3Target to = target();
    to.*member = value;
    const Status status = check_target(to);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << value;
    EXPECT_EQ(status.message().find("secret\""), std::string_view::npos);
  }
}

TEST(S3Wire, EncodingLeavesPathsTheirSlashes) {
  EXPECT_EQ(url_encode("a/b c~-_.+é", true), "a/b%20c~-_.%2B%C3%A9");
  EXPECT_EQ(url_encode("a/b", false), "a%2Fb");
}

TEST(S3Wire, ListingsAreReadAndStrangeKeysPassedOver) {
  constexpr std::string_view kXml =
      "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated>"
      "<Contents><Key>backups/a.json</Key><Size>12</Size></Contents>"
      "<Contents><Size>7</Size><Key>backups/b</Key></Contents>"
      "<Contents><Key>backups/&amp;</Key><Size>1</Size></Contents>"
      "<Contents><Key>backups/c</Key><Size>x</Size></Contents>"
      "<Contents><Key>cut";
  const std::vector<StoredObject> objects = listed_objects(kXml);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].key, "backups/a.json");
  EXPECT_EQ(objects[0].bytes, 12u);
  EXPECT_EQ(objects[1].key, "backups/b");
  EXPECT_TRUE(list_is_truncated(kXml));
  EXPECT_FALSE(list_is_truncated("<IsTruncated>false</IsTruncated>"));
  EXPECT_EQ(xml_text("<a>1</a>", "b"), "");
  EXPECT_EQ(xml_text("<a>1", "a"), "");
}

TEST(S3Wire, PartsAreNumberedFromOne) {
  const std::vector<std::string> etags = {"\"x\"", "\"y\""};
  EXPECT_EQ(completion_xml(etags),
            "<CompleteMultipartUpload>"
            "<Part><PartNumber>1</PartNumber><ETag>\"x\"</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>\"y\"</ETag></Part>"
            "</CompleteMultipartUpload>");
}

TEST(S3Wire, PausesDoubleUpToALimit) {
  EXPECT_EQ(retry_delay_micros(1, 0), 100'000u);
  EXPECT_EQ(retry_delay_micros(2, 0), 200'000u);
  EXPECT_EQ(retry_delay_micros(3, 1), 800'000u);
  EXPECT_EQ(retry_delay_micros(100, 1), 8'000'000u);
  EXPECT_TRUE(worth_retrying(503));
  EXPECT_FALSE(worth_retrying(403));
}

}  // namespace
}  // namespace ferres
