// libarchive for tar, ISA-L to compress: libarchive's own gzip makes 30 to 45 MB/s of vectors,
// ISA-L's lowest level 400 (docs/decisions). The only home of both. Reading is left to libarchive,
// zlib included: it allows nothing but tar in gzip here.
#include "backup/archive.h"

#include <cerrno>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <isa-l/igzip_lib.h>

namespace ferres {
namespace {

constexpr size_t kBlockBytes = 1 << 20;

/// Deflates into a sink.
class Gzip {
 public:
  explicit Gzip(ByteSink sink)
      : sink_(std::move(sink)), level_buffer_(ISAL_DEF_LVL1_DEFAULT), out_(kBlockBytes) {
    isal_deflate_init(&stream_);
    stream_.gzip_flag = IGZIP_GZIP;
    stream_.level = 1;
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<uint32_t>(level_buffer_.size());
  }

  /// At most kBlockBytes at a time.
  Status write(Bytes bytes, bool last) {
    // ISA-L does not write to its input; its C interface does not say so.
    stream_.next_in = reinterpret_cast<uint8_t*>(const_cast<std::byte*>(bytes.data()));
    stream_.avail_in = static_cast<uint32_t>(bytes.size());
    stream_.end_of_stream = last ? 1 : 0;
    do {
      stream_.next_out = reinterpret_cast<uint8_t*>(out_.data());
      stream_.avail_out = static_cast<uint32_t>(out_.size());
      if (const int code = isal_deflate(&stream_); code != COMP_OK)
        return {Code::kInternal, "compressing failed with code " + std::to_string(code)};
      const size_t made = out_.size() - stream_.avail_out;
      if (made > 0) TRY(sink_(Bytes(out_).first(made)));
    } while (stream_.avail_out == 0);
    return {};
  }

 private:
  ByteSink sink_;
  isal_zstream stream_{};
  std::vector<uint8_t> level_buffer_;
  std::vector<std::byte> out_;
};

Status failure(struct archive* archive, const std::string& what) {
  const char* text = archive_error_string(archive);
  return {Code::kCorruption, what + ": " + (text == nullptr ? "unknown error" : text)};
}

struct FreeEntry {
  void operator()(struct archive_entry* entry) const { archive_entry_free(entry); }
};

}  // namespace

struct ArchiveWriter::State {
  explicit State(ByteSink sink) : gzip(std::move(sink)), archive(archive_write_new()) {
    CHECK(archive != nullptr);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { archive_write_free(archive); }

  static la_ssize_t take(struct archive* archive, void* self, const void* data, size_t bytes) {
    auto& state = *static_cast<State*>(self);
    if (state.status.ok())
      state.status = state.gzip.write({static_cast<const std::byte*>(data), bytes}, false);
    if (state.status.ok()) return static_cast<la_ssize_t>(bytes);
    archive_set_error(archive, EIO, "the sink failed");
    return -1;
  }
  /// What libarchive returned; the sink's own failure tells more.
  Status result(bool good) const {
    if (!status.ok()) return status.clone();
    return good ? Status() : failure(archive, "writing the archive");
  }

  Gzip gzip;
  struct archive* archive;
  uint64_t unix_seconds = 0;
  Status status;
};

ArchiveWriter::ArchiveWriter(uint64_t unix_seconds, ByteSink sink)
    : state_(std::make_unique<State>(std::move(sink))) {
  state_->unix_seconds = unix_seconds;
  struct archive* const archive = state_->archive;
  // ustar, and pax where that cannot say it (files of 8 GiB).
  CHECK(archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK);
  CHECK(archive_write_set_bytes_per_block(archive, kBlockBytes) == ARCHIVE_OK);
  CHECK(archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK);
  CHECK(archive_write_open(archive, state_.get(), nullptr, &State::take, nullptr) == ARCHIVE_OK);
}

ArchiveWriter::~ArchiveWriter() {
  // Without this, freeing an archive that was not finished would write its end.
  if (state_ != nullptr && state_->status.ok())
    state_->status = Status(Code::kInternal, "the archive was left");
}

Status ArchiveWriter::begin(const std::string& name, uint64_t bytes) {
  const std::unique_ptr<struct archive_entry, FreeEntry> entry(archive_entry_new());
  CHECK(entry != nullptr);
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), static_cast<time_t>(state_->unix_seconds), 0);
  return state_->result(archive_write_header(state_->archive, entry.get()) == ARCHIVE_OK);
}

Status ArchiveWriter::write(Bytes bytes) {
  const la_ssize_t took = archive_write_data(state_->archive, bytes.data(), bytes.size());
  return state_->result(took == static_cast<la_ssize_t>(bytes.size()));
}

Status ArchiveWriter::finish() {
  TRY(state_->result(archive_write_close(state_->archive) == ARCHIVE_OK));
  return state_->gzip.write({}, true);
}

struct ArchiveReader::State {
  explicit State(ByteSource from) : source(std::move(from)), archive(archive_read_new()) {
    CHECK(archive != nullptr);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { archive_read_free(archive); }

  static la_ssize_t give(struct archive* archive, void* self, const void** data) {
    auto& state = *static_cast<State*>(self);
    Result<Bytes> next = state.source();
    if (!next.ok()) {
      state.status = std::move(next).error();
      archive_set_error(archive, EIO, "the source failed");
      return -1;
    }
    *data = next->data();
    return static_cast<la_ssize_t>(next->size());
  }
  Status error() const {
    return status.ok() ? failure(archive, "reading the archive") : status.clone();
  }

  ByteSource source;
  struct archive* archive;
  bool opened = false;
  Status status;
};

ArchiveReader::ArchiveReader(ByteSource source)
    : state_(std::make_unique<State>(std::move(source))) {
  CHECK(archive_read_support_filter_gzip(state_->archive) == ARCHIVE_OK);
  CHECK(archive_read_support_format_tar(state_->archive) == ARCHIVE_OK);
}

ArchiveReader::~ArchiveReader() = default;

Result<std::optional<ArchiveReader::Entry>> ArchiveReader::next() {
  struct archive* const archive = state_->archive;
  if (!std::exchange(state_->opened, true) &&
      archive_read_open(archive, state_.get(), nullptr, &State::give, nullptr) != ARCHIVE_OK) {
    return state_->error();
  }
  struct archive_entry* entry = nullptr;
  const int code = archive_read_next_header(archive, &entry);
  if (code == ARCHIVE_EOF) return std::optional<Entry>();
  // Warnings too: they are for names and numbers that cannot be what they seem.
  if (code != ARCHIVE_OK) return state_->error();
  const char* const name = archive_entry_pathname(entry);
  if (name == nullptr) return Status(Code::kCorruption, "the archive has an entry without a name");
  const bool plain =
      archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr &&
      archive_entry_symlink(entry) == nullptr && archive_entry_sparse_count(entry) == 0;
  if (!plain || archive_entry_size_is_set(entry) == 0 || archive_entry_size(entry) < 0) {
    return Status(Code::kCorruption, "the archive has an entry that is not a plain file");
  }
  return std::optional(Entry{name, static_cast<uint64_t>(archive_entry_size(entry))});
}

Result<size_t> ArchiveReader::read(MutableBytes into) {
  const la_ssize_t got = archive_read_data(state_->archive, into.data(), into.size());
  if (got < 0) return state_->error();
  return static_cast<size_t>(got);
}

}  // namespace ferres
