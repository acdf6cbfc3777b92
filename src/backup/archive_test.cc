// Archives as we write them, and what a reader makes of those that others did.
#include "backup/archive.h"

#include <array>
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

#include "backup/test_object_store.h"
#include "base/random.h"
#include "base/test_settings.h"

namespace ferres {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

Result<std::string> archive_of(const Files& files) {
  std::string bytes;
  ArchiveWriter writer(1'700'000'000, [&bytes](Bytes more) {
    bytes += as_text(more);
    return Status();
  });
  for (const auto& [name, content] : files) {
    TRY(writer.begin(name, content.size()));
    TRY(writer.write(as_bytes(content)));
  }
  TRY(writer.finish());
  return bytes;
}

/// Gives `bytes` in pieces.
ByteSource pieces(const std::string& bytes, size_t piece) {
  return [&bytes, piece, at = size_t{0}]() mutable -> Result<Bytes> {
    const std::string_view next = std::string_view(bytes).substr(at, piece);
    at += next.size();
    return as_bytes(next);
  };
}

Result<Files> files_of(const std::string& bytes, size_t piece = 1000) {
  ArchiveReader reader(pieces(bytes, piece));
  Files files;
  for (;;) {
    TRY_ASSIGN(const std::optional<ArchiveReader::Entry> entry, reader.next());
    if (!entry) return files;
    std::string content;
    std::array<std::byte, 777> buffer{};
    for (;;) {
      TRY_ASSIGN(const size_t got, reader.read(buffer));
      if (got == 0) break;
      content += as_text(Bytes(buffer).first(got));
    }
    if (content.size() != entry->bytes) return Status(Code::kInternal, "another size");
    files.emplace_back(entry->name, std::move(content));
  }
}

std::string random_text(size_t bytes, uint64_t seed) {
  Random random(seed);
  std::string text(bytes, '\0');
  for (char& c : text)
    c = static_cast<char>(random.next());
  return text;
}

/// A tar of one entry, uncompressed, with a right checksum.
std::string tar_of(const std::string& name, char type, const std::string& target = "",
                   const std::string& content = "") {
  std::array<char, 512> header{};
  std::snprintf(header.data(), 100, "%s", name.c_str());
  std::snprintf(header.data() + 100, 8, "%07o", 0644);
  std::snprintf(header.data() + 108, 8, "%07o", 0);
  std::snprintf(header.data() + 116, 8, "%07o", 0);
  std::snprintf(header.data() + 124, 12, "%011o", static_cast<unsigned>(content.size()));
  std::snprintf(header.data() + 136, 12, "%011o", 0);
  header[156] = type;
  std::snprintf(header.data() + 157, 100, "%s", target.c_str());
  std::memcpy(header.data() + 257, "ustar\00000", 8);
  std::memset(header.data() + 148, ' ', 8);
  unsigned sum = 0;
  for (const char c : header)
    sum += static_cast<unsigned char>(c);
  std::snprintf(header.data() + 148, 8, "%06o", sum);
  std::string tar(header.data(), header.size());
  tar += content;
  tar.resize((tar.size() + 511) / 512 * 512);
  return tar + std::string(1024, '\0');
}

TEST(Archive, GivesBackWhatWasWritten) {
  const Files files = {
      {"manifest.json", "{}"},
      {"collections/a/empty", ""},
      {"collections/a/points-1.bin", random_text(3'000'000, 1)},
      {"collections/" + std::string(200, 'n') + "/x.bin", std::string(70'000, 'x')}};
  const auto bytes = archive_of(files);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message();
  EXPECT_EQ(bytes->substr(0, 2), "\x1f\x8b");
  for (const size_t piece : {size_t{1} << 30, size_t{997}}) {
    const auto back = files_of(*bytes, piece);
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(*back, files);
  }
}

TEST(Archive, WhatIsCutOrDamagedIsReported) {
  const auto bytes = archive_of({{"a", random_text(100'000, 2)}, {"b", random_text(1000, 3)}});
  ASSERT_TRUE(bytes.ok());
  for (const size_t kept : {size_t{1}, size_t{20}, size_t{50'000}, bytes->size() - 400}) {
    const auto cut = files_of(bytes->substr(0, kept));
    ASSERT_FALSE(cut.ok()) << kept;
    EXPECT_EQ(cut.error().code(), Code::kCorruption) << cut.error().message();
  }
  EXPECT_FALSE(files_of("this is no archive, by no means").ok());
}

TEST(Archive, OnlyPlainFilesAreRead) {
  ASSERT_TRUE(files_of(tar_of("a", '0', "", "content")).ok());
  for (const char type : {'1', '2', '3', '4', '5', '6'}) {
    const auto files = files_of(tar_of("a", type, "/etc/passwd"));
    ASSERT_FALSE(files.ok()) << type;
    EXPECT_EQ(files.error().code(), Code::kCorruption) << files.error().message();
  }
}

TEST(Archive, AFailureOfTheSinkOrTheSourceIsWhatIsTold) {
  ArchiveWriter writer(0, [](Bytes) { return Status(Code::kNoSpace, "full"); });
  Status status = writer.begin("a", 10 << 20);
  const std::string content = random_text(1 << 20, 4);
  for (int i = 0; i < 10 && status.ok(); ++i)
    status = writer.write(as_bytes(content));
  if (status.ok()) status = writer.finish();
  EXPECT_EQ(status.code(), Code::kNoSpace);
  EXPECT_EQ(status.message(), "full");
  ArchiveReader reader([]() -> Result<Bytes> { return Status(Code::kUpstream, "gone"); });
  const auto next = reader.next();
  ASSERT_FALSE(next.ok());
  EXPECT_EQ(next.error().code(), Code::kUpstream);
}

// Any bytes end in an answer: of interest under the sanitizers.
TEST(Archive, MutatedBytesAreReadOrRefused) {
  const auto [first, last] = seeds(300);
  const std::string tar = tar_of("collections/a/points-1.bin", '0', "", random_text(2000, 6)) +
                          tar_of("././@LongLink", 'L', "", std::string(300, 'n')) +
                          tar_of("pax", 'x', "", "30 GNU.sparse.realsize=999999\n");
  const auto packed = archive_of({{"a", random_text(3000, 7)}, {"b", std::string(5000, 'b')}});
  ASSERT_TRUE(packed.ok());
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    for (std::string bytes : {tar, *packed}) {
      for (uint64_t change = 0; change <= random.below(8); ++change)
        bytes[random.below(bytes.size())] = static_cast<char>(random.next());
      if (random.one_in(4)) bytes.resize(random.below(bytes.size()));
      const auto files = files_of(bytes, 1 + random.below(5000));
      if (!files.ok()) {
        EXPECT_FALSE(files.error().message().empty());
      }
    }
  }
}

TEST(Archive, AnEntryLeftUnreadIsPassedOver) {
  const auto bytes = archive_of({{"a", random_text(100'000, 5)}, {"b", "x"}});
  ASSERT_TRUE(bytes.ok());
  ArchiveReader reader(pieces(*bytes, 4096));
  ASSERT_TRUE(reader.next().ok());
  const auto second = reader.next();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->name, "b");
}

}  // namespace
}  // namespace ferres
