// GET /health: is the server there, and how is it (API.md 5.1). Always 200.
#include <charconv>

#include <unistd.h>

#include "api/handlers.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// The resident set: second number of /proc/self/statm, in pages.
uint64_t resident_bytes(FileSystem& files) {
  const Result<std::unique_ptr<File>> file = files.open("/proc/self/statm", OpenMode::kRead);
  if (!file.ok()) return 0;
  std::array<char, 128> text{};
  const Result<size_t> size = (*file)->read(0, std::as_writable_bytes(std::span(text)));
  if (!size.ok()) return 0;
  const std::string_view line(text.data(), *size);
  const size_t space = line.find(' ');
  uint64_t pages = 0;
  if (space == std::string_view::npos) return 0;
  std::from_chars(line.data() + space + 1, line.data() + line.size(), pages);
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

Result<Answer> get_health(Context& context, Call&) {
  const uint64_t up = context.clock.monotonic_nanos() - context.started_nanos;
  const Result<uint64_t> free_bytes = context.files.free_bytes(context.data_dir);
  JsonWriter json;
  json.begin_object();
  json.field("status", "OK").field("version", std::string_view(context.version));
  json.field("uptime_seconds", up / 1000000000);
  json.key("collections").begin_object();
  const CollectionCounts counts = context.db.counts();
  json.field("total", counts.total).field("dirty", counts.dirty);
  json.field("unavailable", counts.unavailable);
  json.end_object();
  json.field("memory_mb", resident_bytes(context.files) / kMiB);
  if (free_bytes.ok()) json.field("disk_free_mb", *free_bytes / kMiB);
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
