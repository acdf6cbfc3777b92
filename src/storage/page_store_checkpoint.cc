// The lane's and the writer's side of PageStore's checkpoints: which pages go into one, and what
// the store looks like afterwards. How they are written is in checkpoint.cc.
#include <algorithm>
#include <limits>

#include "storage/page_file.h"
#include "storage/store_state.h"

namespace ferres {
namespace {

// More files than this cost opening time: the smallest are merged, several at once so that it is
// not done at every checkpoint.
constexpr size_t kFilesMax = 64;
constexpr size_t kFilesMerged = 16;
// An open maps each run of neighbouring pages. A store may have more when it is large: writing all
// of it again would cost more than the mappings.
constexpr uint64_t kRunsMin = 1024;
constexpr uint64_t kRunsMax = 8192;
constexpr uint64_t kPagesARun = 8;

/// Chooses what a checkpoint holds: changed pages, and unchanged ones of files that are to go.
class Plan {
 public:
  explicit Plan(const std::vector<LiveFile>& files) : files_(files), leaves_(files.size(), false) {
    for (const LiveFile& file : files)
      live_.push_back(file.live_bytes);
  }

  /// The page's version in `file` will be superseded.
  void subtract(const Placed& page) {
    if (page.file != 0) live_[index_of(page.file)] -= page.length;
  }
  void choose_leaving(Tidy tidy) {
    if (tidy == Tidy::kAll) return leaves_.assign(files_.size(), true);
    const bool some = tidy == Tidy::kMostlyGarbage;
    std::vector<size_t> stay;
    for (size_t i = 0; i < files_.size(); ++i) {
      leaves_[i] = (some && live_[i] * 2 < files_[i].page_bytes) || live_[i] == 0;
      if (!leaves_[i]) stay.push_back(i);
    }
    if (!some || stay.size() < kFilesMax) return;
    std::sort(stay.begin(), stay.end(), [this](size_t a, size_t b) { return live_[a] < live_[b]; });
    for (size_t i = 0; i < stay.size() - kFilesMax + kFilesMerged; ++i)
      leaves_[stay[i]] = true;
  }
  /// Some unchanged page has to be written again.
  bool rewrites() const {
    for (size_t i = 0; i < files_.size(); ++i)
      if (leaves_[i] && live_[i] != 0) return true;
    return false;
  }
  bool leaves(const Placed& page) const { return page.file != 0 && leaves_[index_of(page.file)]; }
  std::vector<uint32_t> leaving() const {
    std::vector<uint32_t> numbers;
    for (size_t i = 0; i < files_.size(); ++i)
      if (leaves_[i]) numbers.push_back(files_[i].number);
    return numbers;
  }

 private:
  size_t index_of(uint32_t number) const {
    const auto at = std::lower_bound(
        files_.begin(), files_.end(), number,
        [](const LiveFile& file, uint32_t wanted) { return file.number < wanted; });
    return static_cast<size_t>(at - files_.begin());
  }

  const std::vector<LiveFile>& files_;
  std::vector<uint64_t> live_;  // bytes that stay live, by file
  std::vector<bool> leaves_;
};

const Placed& placed_at(const std::vector<Placed>& placed, uint64_t page) {
  static constexpr Placed kNowhere;
  return page < placed.size() ? placed[page] : kNowhere;
}

}  // namespace

/// Pages of an arena that go into a checkpoint: those changed, whose state then says pending, and
/// the unchanged ones that `again` asks for.
void PageStore::State::take_pages(Arena& arena, const std::function<bool(const Placed&)>& again,
                                  std::vector<Checkpoint::Page>& chosen) {
  Arena::State& a = *arena.state_;
  const Reservation& now = *a.reservation;
  const uint64_t bytes = now.bytes();
  for (uint64_t page = 0; page < pages_of(bytes); ++page) {
    std::atomic<uint8_t>& state = now.state(page);
    const Placed& placed = placed_at(a.placed, page);
    const bool changed = (state.load(std::memory_order_relaxed) & page_state::kChanged) != 0;
    if (!changed && (placed.file == 0 || !again(placed))) continue;
    // Readers may clear kUnverified meanwhile, so bits change one by one.
    if (changed) state.fetch_and(static_cast<uint8_t>(~page_state::kChanged));
    state.fetch_or(page_state::kPending, std::memory_order_acq_rel);
    Checkpoint::Page next;
    next.arena = a.index;
    next.page = static_cast<uint32_t>(page);
    next.unchanged = !changed;
    next.length = changed ? static_cast<uint32_t>(page_length(page, bytes)) : placed.length;
    next.crc = changed ? 0 : placed.crc;
    chosen.push_back(next);
  }
  a.changed_pages.store(0);
}

void PageStore::begin_checkpoint(Tidy tidy) {
  CHECK(state_->checkpoint == nullptr);
  state_->free_retired();
  Plan plan(state_->files);
  uint64_t runs = 0;
  uint64_t pages = 0;
  const Arena* worst = nullptr;
  for (const std::unique_ptr<Arena>& arena : state_->arenas) {
    Arena::State& a = *arena->state_;
    if (a.changed_pages.load() != 0) {
      a.runs = count_runs(a.placed);
      for (uint64_t page = 0; page < a.placed.size(); ++page) {
        if ((a.reservation->state(page).load() & page_state::kChanged) != 0)
          plan.subtract(a.placed[page]);
      }
    }
    runs += a.runs;
    pages += a.placed.size();
    if (worst == nullptr || a.runs > worst->state_->runs) worst = arena.get();
  }
  plan.choose_leaving(tidy);
  const bool fragmented =
      tidy == Tidy::kMostlyGarbage && runs > std::clamp(pages / kPagesARun, kRunsMin, kRunsMax);
  std::vector<Checkpoint::Source> sources;
  std::vector<Checkpoint::Page> chosen;
  for (const std::unique_ptr<Arena>& arena : state_->arenas) {
    sources.push_back({arena.get(), arena->state_->spec.id, arena->bytes()});
    const bool all = fragmented && arena.get() == worst;
    if (!all && !plan.rewrites() && arena->state_->changed_pages.load() == 0) continue;
    state_->take_pages(*arena, [&](const Placed& at) { return all || plan.leaves(at); }, chosen);
  }
  state_->checkpoint = std::make_unique<Checkpoint>(std::move(sources), std::move(chosen));
  state_->leaving = plan.leaving();
}

Result<StoreManifest> PageStore::write_checkpoint() {
  Checkpoint& checkpoint = *state_->checkpoint;
  TRY(damage());
  StoreManifest manifest;
  manifest.family = state_->family;
  manifest.next_file = state_->next_file;
  for (const Checkpoint::Source& source : checkpoint.sources())
    manifest.arenas.push_back({source.id, source.bytes});
  for (const LiveFile& file : state_->files)
    if (!state_->leaves(file.number)) manifest.files.push_back(file.entry);
  if (checkpoint.pages().empty()) return manifest;
  // A leftover of a checkpoint that was never published is not overwritten: an older manifest that
  // was restored may have a name in use that a newer one took.
  uint64_t number = manifest.next_file;
  while (state_->disk->exists(state_->path_of(page_file_name(state_->family, number))))
    ++number;
  if (number > std::numeric_limits<uint32_t>::max())
    return Status(Code::kResourceExhausted, state_->dir + ": no page file numbers left");
  TRY(checkpoint.write(*state_->disk, state_->dir, state_->family, number));
  TRY(lost());  // zeros may have been written
  manifest.next_file = number + 1;
  manifest.files.push_back(checkpoint.entry());
  return manifest;
}

void PageStore::discard_checkpoint() {
  const uint64_t number = state_->checkpoint->number();
  // What cannot be removed is a leftover, which the next checkpoint's clean-up finds.
  if (number != 0)
    state_->disk->remove(state_->path_of(page_file_name(state_->family, number))).ignore();
}

void PageStore::commit_checkpoint() {
  const std::unique_ptr<Checkpoint> done = std::move(state_->checkpoint);
  const std::vector<uint32_t> leaving = std::exchange(state_->leaving, {});
  if (done->pages().empty()) {
    state_->drop_files(leaving);
    return;
  }
  LiveFile made;
  made.entry = done->entry();
  made.number = static_cast<uint32_t>(done->number());
  for (const Checkpoint::Page& page : done->pages()) {
    std::vector<Placed>& placed = state_->arenas[page.arena]->state_->placed;
    if (placed.size() <= page.page) placed.resize(page.page + 1);
    Placed& at = placed[page.page];
    if (at.file != 0) state_->find_file(at.file)->live_bytes -= at.length;
    at = {made.number, page.crc, static_cast<uint32_t>(page.offset / kDiskPageBytes), page.length};
    made.page_bytes += page.length;
  }
  made.live_bytes = made.page_bytes;
  state_->drop_files(leaving);
  state_->files.push_back(std::move(made));
  state_->next_file = done->number() + 1;
  state_->map_written(*done);
  state_->disk_bytes.store(state_->listed_bytes());
}

void PageStore::abort_checkpoint() {
  const std::unique_ptr<Checkpoint> failed = std::move(state_->checkpoint);
  state_->leaving.clear();
  state_->next_file = std::max(state_->next_file, failed->number() + 1);
  for (const Checkpoint::Page& page : failed->pages()) {
    Arena::State& a = *state_->arenas[page.arena]->state_;
    std::atomic<uint8_t>& state = a.reservation->state(page.page);
    state.fetch_and(static_cast<uint8_t>(~page_state::kPending));
    if (page.unchanged) continue;
    if ((state.fetch_or(page_state::kChanged) & page_state::kChanged) == 0)
      a.changed_pages.fetch_add(1);
  }
}

}  // namespace ferres
