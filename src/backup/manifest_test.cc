// Manifests of backups: what is written is read, and what nobody of ours wrote is refused.
#include "backup/manifest.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

const std::string kHash(64, 'a');

BackupManifest sample() {
  BackupManifest manifest;
  manifest.server_version = "0.1.0";
  manifest.unix_micros = 1'700'000'000'000'001;
  manifest.collections.push_back(
      {"docs",
       7,
       1'600'000'000'000'000,
       R"({"name":"docs","dimension":2})",
       {{"checkpoint.manifest", 10, kHash}, {"namespaces/a%20b/points-1.bin", 20, kHash}}});
  manifest.collections.push_back({"empty", 0, 0, "{}", {}});
  return manifest;
}

TEST(BackupManifest, ComesBackAsItWas) {
  const auto back = decode_backup_manifest(encode_backup_manifest(sample()));
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->server_version, "0.1.0");
  EXPECT_EQ(back->unix_micros, 1'700'000'000'000'001u);
  ASSERT_EQ(back->collections.size(), 2u);
  const BackupCollection& docs = back->collections[0];
  EXPECT_EQ(docs.name, "docs");
  EXPECT_EQ(docs.lsn, 7u);
  EXPECT_EQ(docs.config_json, R"({"name":"docs","dimension":2})");
  ASSERT_EQ(docs.files.size(), 2u);
  EXPECT_EQ(docs.files[1].path, "namespaces/a%20b/points-1.bin");
  EXPECT_EQ(docs.files[1].sha256, kHash);
  EXPECT_EQ(back->bytes(), 30u);
}

TEST(BackupManifest, HostileNamesSizesAndHashesAreRefused) {
  const auto refused = [](auto change) {
    BackupManifest manifest = sample();
    change(manifest);
    const auto back = decode_backup_manifest(encode_backup_manifest(manifest));
    return !back.ok() && back.error().code() == Code::kCorruption;
  };
  for (const char* path : {"", "/etc/passwd", "../x", "a/b/../../..", "..", ".", ".hidden",
                           "a/../b", "a//b", "a/", "/", "a/b/c/d", "a\\\\b", "a b", "a\\u0000b"}) {
    EXPECT_TRUE(refused([&](auto& m) { m.collections[0].files[1].path = path; })) << path;
    EXPECT_TRUE(refused([&](auto& m) { m.collections[1].name = path; })) << path;
    EXPECT_TRUE(refused([&](auto& m) { m.server_version = path; })) << path;
  }
  EXPECT_TRUE(refused([](auto& m) { m.collections[0].files[1].path = std::string(300, 'a'); }));
  EXPECT_TRUE(refused([](auto& m) { m.collections[0].files[1].path = "checkpoint.manifest"; }));
  EXPECT_TRUE(refused([](auto& m) { m.collections[1].name = "docs"; }));
  EXPECT_TRUE(refused([](auto& m) { m.collections[0].files[0].bytes = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](auto& m) {
    for (BackupFile& file : m.collections[0].files)
      file.bytes = 1ull << 60;
  }));
  EXPECT_TRUE(refused([](auto& m) { m.collections[0].files[0].sha256 = std::string(64, 'A'); }));
  EXPECT_TRUE(refused([](auto& m) { m.collections[0].files[0].sha256 = "ab"; }));
  EXPECT_TRUE(refused([](auto& m) { m.collections[0].config_json = "[1]"; }));
}

TEST(BackupManifest, WhatIsNoManifestIsRefused) {
  const std::string good = encode_backup_manifest(sample());
  for (size_t kept = 0; kept + 2 < good.size(); kept += 7)
    EXPECT_FALSE(decode_backup_manifest(good.substr(0, kept)).ok()) << kept;
  for (const char* json : {"[]", "{}", "null", R"({"format":1})",
                           R"({"format":0,"server":"",)"
                           R"("unix_micros":1,"collections":[]})"}) {
    EXPECT_FALSE(decode_backup_manifest(json).ok()) << json;
  }
}

TEST(BackupManifest, ANewerFormatIsRefusedByName) {
  const auto newer = decode_backup_manifest(R"({"format":2,"whatever":[]})");
  ASSERT_FALSE(newer.ok());
  EXPECT_EQ(newer.error().code(), Code::kUnimplemented);
  EXPECT_NE(newer.error().message().find("format 2"), std::string_view::npos);
}

}  // namespace
}  // namespace ferres
