// Tests of collection/operations.h and config.h: what is written must be read back, damage refused.
#include "collection/operations.h"

#include <gtest/gtest.h>

#include "collection/config.h"

namespace ferres {
namespace {

TEST(Operations, PointsComeBackInOrder) {
  std::string payload;
  const std::vector<float> vector = {1.5f, -2.0f};
  encode_point(Op::kUpsert, {"a", "ns", 77, R"({"k":1})"}, vector, payload);
  encode_point(Op::kUpsert, {"b", "", 0, "{}"}, {}, payload);
  PointDecoder decoder(Op::kUpsert, as_bytes(payload));
  PointRecord point;
  std::vector<float> read;
  ASSERT_TRUE(decoder.next(point, read).ok());
  EXPECT_EQ(point.id, "a");
  EXPECT_EQ(point.ns, "ns");
  EXPECT_EQ(point.ttl_seconds, 77u);
  EXPECT_EQ(point.metadata_json, R"({"k":1})");
  EXPECT_EQ(read, vector);
  ASSERT_TRUE(decoder.next(point, read).ok());
  EXPECT_EQ(point.id, "b");
  EXPECT_TRUE(read.empty());
  EXPECT_TRUE(decoder.done());
}

TEST(Operations, ImportedPointsBringTheirTimes) {
  std::string payload;
  encode_point(Op::kImport, {"a", "", 7, "{}", 12, 34'000'000}, {}, payload);
  encode_point(Op::kImport, {"b", "", 0, "{}"}, {}, payload);
  PointDecoder decoder(Op::kImport, as_bytes(payload));
  PointRecord point;
  std::vector<float> read;
  ASSERT_TRUE(decoder.next(point, read).ok());
  EXPECT_EQ(point.created_seconds, 12u);
  EXPECT_EQ(point.expires_micros, 34'000'000u);
  ASSERT_TRUE(decoder.next(point, read).ok());
  EXPECT_EQ(point.created_seconds, 0u);
  EXPECT_EQ(point.expires_micros, 0u);
  EXPECT_TRUE(decoder.done());
}

TEST(Operations, EveryCutOfAPayloadIsRefused) {
  for (const Op op : {Op::kUpsert, Op::kImport}) {
    std::string payload;
    const std::vector<float> vector = {1, 2, 3};
    encode_point(op, {"id", "ns", 1, "{}"}, vector, payload);
    for (size_t length = 1; length < payload.size(); ++length) {
      PointDecoder decoder(op, as_bytes(std::string_view(payload).substr(0, length)));
      PointRecord point;
      std::vector<float> read;
      EXPECT_EQ(decoder.next(point, read).code(), Code::kCorruption) << length;
    }
  }
  std::string ids;
  encode_id("abc", ids);
  EXPECT_EQ(decode_ids(as_bytes(std::string_view(ids).substr(0, 3))).error().code(),
            Code::kCorruption);
}

TEST(Operations, ARestoreMayBeOfANamespace) {
  for (const std::optional<std::string_view> ns :
       {std::optional<std::string_view>(), {"a"}, {""}}) {
    std::string payload;
    encode_restore({77, ns}, payload);
    const auto read = decode_restore(as_bytes(payload));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->source, 77u);
    EXPECT_EQ(read->ns, ns);
    for (size_t length = 0; length < 8; ++length)
      EXPECT_FALSE(decode_restore(as_bytes(std::string_view(payload).substr(0, length))).ok());
  }
}

TEST(Operations, TheNamespaceOfAStorageId) {
  EXPECT_EQ(namespace_of_storage_id(storage_id("a", "b")), "a");
  EXPECT_EQ(namespace_of_storage_id(storage_id("", "b")), "");
}

TEST(Operations, EachHasOneRow) {
  for (const OpInfo& info : operations())
    EXPECT_FALSE(info.name.empty());
  EXPECT_EQ(operations().size(), 8u);
}

TEST(Config, ComesBackFromItsJson) {
  CollectionConfig config;
  config.name = "docs-1";
  config.dimension = 384;
  config.metric = Metric::kDot;
  config.index.m = 24;
  config.bm25_text_field = "te\"xt\n";
  config.quantization_json = R"({"Scalar":{"dtype":"Int8"}})";
  config.retention_days = 0;
  config.uuid = "abc";
  config.created_at = 5;
  const auto read = decode_config(encode_config(config));
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(encode_config(*read), encode_config(config));
  EXPECT_EQ(read->bm25_text_field, config.bm25_text_field);
  EXPECT_EQ(read->retention_days, 0u);
}

TEST(Config, OlderFilesWithoutNewerFieldsOpen) {
  const auto read = decode_config(R"({"name":"x","dimension":3,"distance":"Cosine"})");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->index.m, 16u);
  EXPECT_FALSE(read->retention_days.has_value());
}

TEST(Config, MessagesAreTheContracts) {
  CollectionConfig config;
  EXPECT_EQ(validate_config(config).message(), "name cannot be empty");
  config.name = "a b";
  EXPECT_EQ(validate_config(config).message(),
            "name can only contain letters, numbers, hyphens, and underscores");
  config.name = "ab";
  EXPECT_EQ(validate_config(config).message(), "dimension must be between 1 and 4096");
}

}  // namespace
}  // namespace ferres
