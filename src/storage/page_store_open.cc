// Opening a page store: the tables of its page files say where the newest version of each page is,
// and runs of neighbouring pages are mapped privately over the arenas' addresses. Page contents are
// not read here, but for arenas of one page and when mappings run out: those are read and checked
// at once.
#include <limits>
#include <map>

#include "base/crc32c.h"
#include "storage/page_file.h"
#include "storage/store_state.h"

namespace ferres {
namespace {

// A mapping costs more than reading this much.
constexpr uint64_t kReadRatherBytes = kPageBytes;

Status bad_manifest(const std::string& dir, const std::string& what) {
  return {Code::kCorruption, dir + ": the manifest " + what};
}

}  // namespace

/// Overlays the tables of all files, then brings the pages in.
class PageStore::Opening {
 public:
  explicit Opening(State& store) : store_(store) {}

  Status add_file(const PageFileEntry& entry);
  Status place_pages();

 private:
  Status add_row(const PageRow& row, LiveFile& file, const std::string& path);
  Status bring(Arena& arena, uint64_t first, uint64_t last);
  Status read_run(Arena& arena, uint64_t first, uint64_t last);

  State& store_;
  std::map<uint32_t, std::unique_ptr<File>> open_;  // by number
};

Status PageStore::Opening::add_file(const PageFileEntry& entry) {
  const std::string path = store_.path_of(entry.name);
  const std::optional<uint64_t> number = page_file_number(entry.name);
  if (!number || *number == 0 || *number > std::numeric_limits<uint32_t>::max() ||
      page_file_name(store_.family, *number) != entry.name || *number >= store_.next_file ||
      (!store_.files.empty() && *number <= store_.files.back().number)) {
    return bad_manifest(store_.dir, "lists a page file out of order: " + entry.name);
  }
  Result<std::unique_ptr<File>> file = store_.disk->open(path, OpenMode::kRead);
  if (!file.ok()) {
    if (file.error().code() != Code::kNotFound) return std::move(file).error();
    return Status(Code::kCorruption, path + ": the page file is missing");
  }
  TRY_ASSIGN(const PageTable table, read_page_table(**file, path, entry.bytes, entry.table_crc));
  if (table.number != *number)
    return Status(Code::kCorruption, path + ": the content is that of another page file");
  store_.files.push_back({entry, static_cast<uint32_t>(*number), 0, 0});
  for (const PageRow& row : table.rows)
    TRY(add_row(row, store_.files.back(), path));
  open_[store_.files.back().number] = *std::move(file);
  return {};
}

Status PageStore::Opening::add_row(const PageRow& row, LiveFile& file, const std::string& path) {
  Arena* const arena = store_.find_arena(row.arena);
  if (arena == nullptr || row.page >= pages_of(arena->bytes()) ||
      row.length > page_length(row.page, arena->bytes())) {
    return {Code::kCorruption, path + ": holds page " + std::to_string(row.page) + " of arena " +
                                   std::to_string(row.arena) + ", which the manifest lacks"};
  }
  std::vector<Placed>& placed = arena->state_->placed;
  if (placed.size() <= row.page) placed.resize(row.page + 1);
  Placed& at = placed[row.page];
  if (at.file == file.number)
    return {Code::kCorruption, path + ": holds page " + std::to_string(row.page) + " twice"};
  if (at.file != 0) store_.find_file(at.file)->live_bytes -= at.length;
  at = {file.number, row.crc, static_cast<uint32_t>(row.offset / kDiskPageBytes), row.length};
  file.page_bytes += row.length;
  file.live_bytes += row.length;
  return {};
}

Status PageStore::Opening::place_pages() {
  for (const std::unique_ptr<Arena>& arena : store_.arenas) {
    Arena::State& a = *arena->state_;
    a.opened = a.placed;
    a.runs = count_runs(a.placed);
    uint64_t first = 0;
    while (first < a.placed.size()) {
      uint64_t last = first + 1;
      while (last < a.placed.size() && !starts_run(a.placed[last - 1], a.placed[last]))
        ++last;
      if (a.placed[first].file != 0) TRY(bring(*arena, first, last));
      first = last;
    }
  }
  return {};
}

/// Pages [first, last) are neighbours in one file.
Status PageStore::Opening::bring(Arena& arena, uint64_t first, uint64_t last) {
  Arena::State& a = *arena.state_;
  Reservation& now = *a.reservation;
  if (arena.bytes() <= kReadRatherBytes || !now.count_mapping())
    return read_run(arena, first, last);
  const Placed& end = a.placed[last - 1];
  const uint64_t bytes = (last - 1 - first) * kPageBytes + end.length;
  const File& file = *open_[end.file];
  const Status mapped = file.map(a.placed[first].offset(), MutableBytes(now.page(first), bytes));
  // Out of mappings, most likely: reading says what is wrong if it is the file.
  if (!mapped.ok()) return read_run(arena, first, last);
  for (uint64_t page = first; page < last; ++page)
    now.state(page).store(page_state::kUnverified, std::memory_order_relaxed);
  arena.unverified_.fetch_add(last - first);
  return {};
}

Status PageStore::Opening::read_run(Arena& arena, uint64_t first, uint64_t last) {
  Arena::State& a = *arena.state_;
  for (uint64_t page = first; page < last; ++page) {
    const Placed& at = a.placed[page];
    const Reservation& now = *a.reservation;
    TRY_ASSIGN(const size_t got,
               open_[at.file]->read(at.offset(), MutableBytes(now.page(page), at.length)));
    if (got != at.length) return arena.damage_of(page);
    now.state(page).store(page_state::kUnverified | page_state::kTouched);
    arena.unverified_.fetch_add(1);
    a.touched_pages.fetch_add(1);
    arena.check_in_place(now, page).ignore();  // kept as the store's damage, as the scrub would
  }
  return {};
}

Result<std::unique_ptr<PageStore>> PageStore::open(FileSystem& files, std::string dir,
                                                   const StoreManifest& manifest) {
  auto state = std::make_unique<State>();
  state->disk = &files;
  state->dir = std::move(dir);
  state->family = manifest.family;
  state->next_file = std::max<uint64_t>(manifest.next_file, 1);
  std::unique_ptr<PageStore> store(new PageStore(std::move(state)));
  TRY(store->load(manifest));
  return store;
}

Status PageStore::load(const StoreManifest& manifest) {
  for (const ArenaEntry& entry : manifest.arenas) {
    if (state_->find_arena(entry.id) != nullptr)
      return bad_manifest(state_->dir, "lists arena " + std::to_string(entry.id) + " twice");
    ArenaSpec spec;
    spec.id = entry.id;
    spec.name = "";
    if (entry.bytes > spec.bytes_max)
      return bad_manifest(state_->dir, "gives an arena " + std::to_string(entry.bytes) + " bytes");
    TRY_ASSIGN(Arena* const arena, add_arena(spec, entry.bytes));
    arena->state_->name = "number " + std::to_string(entry.id);
  }
  Opening opening(*state_);
  for (const PageFileEntry& entry : manifest.files)
    TRY(opening.add_file(entry));
  TRY(opening.place_pages());
  state_->disk_bytes.store(state_->listed_bytes());
  return {};
}

}  // namespace ferres
