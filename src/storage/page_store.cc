// See page_store.h. The arenas of a store and its checkpoints; opening is in page_store_open.cc,
// the scrub in page_store_scrub.cc.
#include "storage/page_store.h"

#include "base/epoch.h"
#include "storage/page_file.h"
#include "storage/store_state.h"

namespace ferres {

uint64_t count_runs(const std::vector<Placed>& placed) {
  uint64_t runs = 0;
  Placed before;
  for (const Placed& page : placed) {
    if (page.file != 0 && starts_run(before, page)) ++runs;
    before = page;
  }
  return runs;
}

PageStore::PageStore(std::unique_ptr<State> state) : state_(std::move(state)) {}

PageStore::~PageStore() = default;

LiveFile* PageStore::State::find_file(uint32_t number) {
  const auto at = std::find_if(files.begin(), files.end(),
                               [number](const LiveFile& file) { return file.number == number; });
  return at == files.end() ? nullptr : &*at;
}

Arena* PageStore::State::find_arena(uint32_t id) {
  const auto at = std::find_if(
      arenas.begin(), arenas.end(),
      [id](const std::unique_ptr<Arena>& arena) { return arena->state_->spec.id == id; });
  return at == arenas.end() ? nullptr : at->get();
}

bool PageStore::State::leaves(uint32_t number) const {
  return std::find(leaving.begin(), leaving.end(), number) != leaving.end();
}

void PageStore::State::drop_files(const std::vector<uint32_t>& numbers) {
  std::erase_if(files, [&numbers](const LiveFile& file) {
    return std::find(numbers.begin(), numbers.end(), file.number) != numbers.end();
  });
}

uint64_t PageStore::State::listed_bytes() const {
  uint64_t sum = 0;
  for (const LiveFile& file : files)
    sum += file.entry.bytes;
  return sum;
}

Status PageStore::State::report_damage(Status damage) {
  const MutexLock lock(damage_mutex);
  if (damage_status.ok()) damage_status = damage.clone();
  damaged.store(true, std::memory_order_release);
  return damage;
}

void PageStore::State::free_retired() {
  std::erase_if(retired, [](const auto& range) { return epoch_passed(range.first); });
}

Result<Arena*> PageStore::add_arena(const ArenaSpec& spec, uint64_t bytes) {
  TRY_ASSIGN(std::unique_ptr<Reservation> reservation,
             Reservation::make(Reservation::tier(bytes, spec.bytes_max)));
  reservation->publish_bytes(bytes);
  reservation->watch(state_->lost);
  auto state = std::make_unique<Arena::State>();
  state->store = state_.get();
  state->spec = spec;
  state->name = spec.name;
  state->index = static_cast<uint32_t>(state_->arenas.size());
  if (spec.residency == Residency::kTiered) TRY(reservation->keep_uses());
  Reservation* const first = reservation.get();
  state->reservation = std::move(reservation);
  state_->arenas.push_back(std::unique_ptr<Arena>(new Arena(std::move(state), first)));
  return state_->arenas.back().get();
}

Result<Arena*> PageStore::arena(const ArenaSpec& spec) {
  if (Arena* const known = state_->find_arena(spec.id); known != nullptr) {
    Arena::State& state = *known->state_;
    CHECK(!state.attached);
    if (known->bytes() > spec.bytes_max) {
      return Status(Code::kTooLarge, state_->dir + ": arena " + spec.name + " has " +
                                         std::to_string(known->bytes()) +
                                         " bytes, more than its limit of " +
                                         std::to_string(spec.bytes_max));
    }
    if (spec.residency == Residency::kTiered) TRY(state.reservation->keep_uses());
    state.attached = true;
    state.spec = spec;
    state.name = spec.name;
    return known;
  }
  TRY_ASSIGN(Arena* const made, add_arena(spec, 0));
  made->state_->attached = true;
  return made;
}

uint64_t PageStore::changed_bytes() const {
  uint64_t sum = 0;
  for (const std::unique_ptr<Arena>& arena : state_->arenas) {
    sum += std::min(arena->state_->changed_pages.load() * kPageBytes,
                    round_to_disk_page(arena->bytes()));
  }
  return sum;
}

Status PageStore::lost() const {
  if (!state_->lost.load()) return {};
  return {Code::kIo, state_->dir + ": a page of its files " + state_->family +
                         "-*.bin could not be read: a file was cut short, or the disk fails. "
                         "Restore the files and start again, or restore a backup"};
}

Status PageStore::damage() const {
  TRY(lost());
  if (!state_->damaged.load(std::memory_order_acquire)) return {};
  const MutexLock lock(state_->damage_mutex);
  return state_->damage_status.clone();
}

bool PageStore::all_verified() const {
  return std::all_of(state_->arenas.begin(), state_->arenas.end(),
                     [](const std::unique_ptr<Arena>& arena) { return arena->all_verified(); });
}

uint64_t PageStore::memory_bytes() const {
  uint64_t sum = 0;
  for (const std::unique_ptr<Arena>& arena : state_->arenas)
    sum += arena->memory_bytes();
  return sum;
}

uint64_t PageStore::disk_bytes() const {
  return state_->disk_bytes.load();
}

}  // namespace ferres
