// The calls of the simulated disk: counting, faults and power around SimDisk, which holds the
// state. Every call takes the one mutex; the model is described in sim_files.h.
#include "base/sim_files.h"

#include <array>
#include <optional>
#include <set>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "base/mutex.h"
#include "base/random.h"
#include "base/sim_disk.h"

namespace ferres {
namespace {

constexpr size_t kKinds = 5;

constexpr uint32_t bit_of(FaultKind kind) {
  return 1u << static_cast<uint32_t>(kind);
}

// Which kinds can hit which calls.
constexpr uint32_t kNoFault = 0;
constexpr uint32_t kReadCall = bit_of(FaultKind::kReadEio);
constexpr uint32_t kNameCall = bit_of(FaultKind::kEio);
constexpr uint32_t kSpaceCall = kNameCall | bit_of(FaultKind::kEnospc);
constexpr uint32_t kWriteCall = kSpaceCall | bit_of(FaultKind::kShortWrite);
constexpr uint32_t kSyncCall = bit_of(FaultKind::kEio) | bit_of(FaultKind::kFailedSync);

Status power_is_off(const std::string& path) {
  return {Code::kIo, path + ": the power is off (simulated)"};
}

Status injected(FaultKind kind, const std::string& path) {
  const bool full = kind == FaultKind::kEnospc || kind == FaultKind::kShortWrite;
  return {full ? Code::kNoSpace : Code::kIo,
          path + (full ? ": no space left (injected)" : ": input/output error (injected)")};
}

}  // namespace

struct SimFiles::State {
  State(uint64_t seed, std::shared_ptr<Mutex> family_mutex)
      : family(std::move(family_mutex)), mutex(*family), random(seed) {}

  const std::shared_ptr<Mutex> family;  // copies share pages, and so the mutex
  Mutex& mutex;
  SimDisk disk GUARDED_BY(mutex);
  Random random GUARDED_BY(mutex);
  std::set<const SimNode*> locked GUARDED_BY(mutex);
  uint64_t generation GUARDED_BY(mutex) = 0;  // of the power: what was opened in another is dead
  bool powered GUARDED_BY(mutex) = true;
  std::array<uint64_t, kKinds> counts GUARDED_BY(mutex){};
  std::optional<FaultKind> fault GUARDED_BY(mutex);
  uint64_t fault_index GUARDED_BY(mutex) = 0;
  bool fault_sticky GUARDED_BY(mutex) = false;
  bool fault_fired GUARDED_BY(mutex) = false;
  uint64_t cut_index GUARDED_BY(mutex) = 0;  // 0: none
  std::function<void(uint64_t)> hook GUARDED_BY(mutex);

  class Call;
  class OpenFile;
  class OpenLock;

  void restore_power() REQUIRES(mutex) {
    generation++;
    powered = true;
    locked.clear();
    fault.reset();
    cut_index = 0;
  }
};

/// One call: announces it to the hook, takes the mutex, counts, and says what is to happen.
class SimFiles::State::Call {
 public:
  Call(State& state, uint32_t kinds, const std::string& path,
       std::optional<uint64_t> generation = std::nullopt) NO_THREAD_SAFETY_ANALYSIS : state_(state),
                                                                                      path_(path) {
    state_.mutex.lock();
    const bool mutates = (kinds & bit_of(FaultKind::kEio)) != 0;
    if (mutates && state_.powered && state_.hook) {
      const std::function<void(uint64_t)> hook = state_.hook;
      const uint64_t index = state_.counts[0] + 1;
      state_.mutex.unlock();
      hook(index);
      state_.mutex.lock();
    }
    dead_ = !state_.powered || generation.value_or(state_.generation) != state_.generation;
    if (!dead_) count(kinds);
  }
  ~Call() NO_THREAD_SAFETY_ANALYSIS { state_.mutex.unlock(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// Not ok: nothing is to be done.
  Status refused() const {
    if (!dead_) return {};
    return power_is_off(path_);
  }
  std::optional<FaultKind> fault() const { return fault_; }
  Status failure() const { return injected(fault_.value_or(FaultKind::kEio), path_); }
  /// The power goes while this call is in flight: it may have reached the disk, nobody hears of it.
  bool in_flight() const { return in_flight_; }
  /// The outcome, with the path in front, unless the power is gone.
  Status finish(Status status) const {
    if (in_flight_) return power_is_off(path_);
    return status;
  }

 private:
  void count(uint32_t kinds) NO_THREAD_SAFETY_ANALYSIS {
    for (size_t kind = 0; kind < kKinds; kind++) {
      if ((kinds >> kind & 1u) == 0) continue;
      const uint64_t index = ++state_.counts[kind];
      if (!state_.fault || static_cast<size_t>(*state_.fault) != kind) continue;
      if (index == state_.fault_index || (state_.fault_sticky && index > state_.fault_index)) {
        fault_ = state_.fault;
        state_.fault_fired = true;
      }
    }
    if ((kinds & bit_of(FaultKind::kEio)) != 0 && state_.counts[0] == state_.cut_index) {
      state_.powered = false;
      in_flight_ = true;
    }
  }

  State& state_;
  const std::string& path_;
  bool dead_ = false;
  bool in_flight_ = false;
  std::optional<FaultKind> fault_;
};

class SimFiles::State::OpenFile : public File {
 public:
  OpenFile(std::shared_ptr<State> state, SimNodePtr node, std::string path, uint64_t generation,
           bool writable)
      : state_(std::move(state)),
        node_(std::move(node)),
        path_(std::move(path)),
        generation_(generation),
        writable_(writable) {}

  Result<size_t> read(uint64_t offset, MutableBytes into) const override {
    const Call call(*state_, kReadCall, path_, generation_);
    TRY(call.refused());
    if (call.fault()) return call.failure();
    return node_->seen.read(offset, into);
  }

  Status write(uint64_t offset, Bytes data) override NO_THREAD_SAFETY_ANALYSIS {
    const Call call(*state_, kWriteCall, path_, generation_);
    TRY(call.refused());
    if (!writable_) return {Code::kIo, path_ + ": opened for reading (simulated)"};
    if (call.fault()) {
      const bool nothing = call.fault() == FaultKind::kEnospc;
      const size_t part = nothing ? 0 : static_cast<size_t>(state_->random.below(data.size() + 1));
      state_->disk.write(*node_, offset, data.first(part)).ignore();  // it fails either way
      return call.failure();
    }
    return call.finish(state_->disk.write(*node_, offset, data).context(path_));
  }

  Status sync() override NO_THREAD_SAFETY_ANALYSIS {
    const Call call(*state_, kSyncCall, path_, generation_);
    TRY(call.refused());
    if (call.fault()) {
      SimDisk::fail_sync(*node_, state_->random);
      return call.failure();
    }
    if (!call.in_flight()) SimDisk::sync(*node_);
    return call.finish({});
  }

  Status truncate(uint64_t size) override NO_THREAD_SAFETY_ANALYSIS {
    const Call call(*state_, kNameCall, path_, generation_);
    TRY(call.refused());
    if (!writable_) return {Code::kIo, path_ + ": opened for reading (simulated)"};
    if (call.fault()) return call.failure();
    return call.finish(state_->disk.truncate(*node_, size).context(path_));
  }

  Result<uint64_t> size() const override {
    const Call call(*state_, kNoFault, path_, generation_);
    TRY(call.refused());
    return node_->seen.size();
  }

  Status map(uint64_t offset, MutableBytes at) const override {
    if (at.empty()) return {};
    const Call call(*state_, kReadCall, path_, generation_);
    TRY(call.refused());
    if (call.fault()) return call.failure();
    const uint64_t end_max =
        (node_->seen.size() + kSimPageBytes - 1) / kSimPageBytes * kSimPageBytes;
    const uint64_t address = reinterpret_cast<uintptr_t>(at.data());
    if ((offset | address | at.size()) % kSimPageBytes != 0 || offset + at.size() > end_max) {
      return {Code::kInvalidArgument, path_ + ": map: not aligned or beyond the end (simulated)"};
    }
    // A mapping of a real file, if one in memory: what is advised to leave memory is read again.
    std::vector<std::byte> content(at.size());
    (void)node_->seen.read(offset, content);
    const int file = ::memfd_create("simulated", MFD_CLOEXEC);
    const bool copied = file >= 0 && ::write(file, content.data(), content.size()) ==
                                         static_cast<ssize_t>(content.size());
    void* const where = copied ? ::mmap(at.data(), at.size(), PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_FIXED, file, 0)
                               : MAP_FAILED;
    if (file >= 0) ::close(file);
    if (where == MAP_FAILED) return {Code::kIo, path_ + ": map: no memory (simulated)"};
    return {};
  }

 private:
  const std::shared_ptr<State> state_;
  const SimNodePtr node_;
  const std::string path_;
  const uint64_t generation_;
  const bool writable_;
};

class SimFiles::State::OpenLock : public FileLock {
 public:
  OpenLock(std::shared_ptr<State> state, SimNodePtr node, uint64_t generation)
      : state_(std::move(state)), node_(std::move(node)), generation_(generation) {}
  ~OpenLock() override {
    const MutexLock lock(state_->mutex);
    if (state_->generation == generation_) state_->locked.erase(node_.get());
  }

 private:
  const std::shared_ptr<State> state_;
  const SimNodePtr node_;
  const uint64_t generation_;
};

SimFiles::SimFiles(uint64_t seed)
    : state_(std::make_shared<State>(seed, std::make_shared<Mutex>())) {}
SimFiles::~SimFiles() = default;

Result<std::unique_ptr<File>> SimFiles::open(const std::string& path,
                                             OpenMode mode) NO_THREAD_SAFETY_ANALYSIS {
  const bool empties = mode == OpenMode::kTruncate || mode == OpenMode::kSecret;
  const bool makes = mode == OpenMode::kCreate || empties;
  const State::Call call(*state_, makes ? kSpaceCall : kReadCall, path);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  SimNodePtr node = state_->disk.find(path);
  if (node && node->is_dir) return Status(Code::kIo, path + ": is a directory (simulated)");
  if (node && mode == OpenMode::kCreate) {
    return Status(Code::kAlreadyExists, path + ": exists (simulated)");
  }
  if (node && empties) TRY(state_->disk.truncate(*node, 0));
  if (!node && !makes) {
    return Status(Code::kNotFound, path + ": no such file or directory (simulated)");
  }
  if (!node) {
    TRY_ASSIGN(node, state_->disk.create_file(path));
  }
  TRY(call.finish({}));
  return std::unique_ptr<File>(std::make_unique<State::OpenFile>(
      state_, std::move(node), path, state_->generation, mode != OpenMode::kRead));
}

bool SimFiles::exists(const std::string& path) NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kNoFault, path);
  return call.refused().ok() && state_->disk.find(path) != nullptr;
}

Status SimFiles::rename(const std::string& from, const std::string& to) NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kSpaceCall, from);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  return call.finish(state_->disk.rename(from, to));
}

Status SimFiles::remove(const std::string& path) NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kNameCall, path);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  return call.finish(state_->disk.remove(path));
}

Status SimFiles::make_dirs(const std::string& path) NO_THREAD_SAFETY_ANALYSIS {
  {
    const State::Call look(*state_, kNoFault, path);
    TRY(look.refused());
    const SimNodePtr node = state_->disk.find(path);
    if (node && node->is_dir) return {};
  }
  const State::Call call(*state_, kSpaceCall, path);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  std::vector<SimNodePtr> changed;
  TRY(state_->disk.make_dirs(path, changed));
  if (!call.in_flight()) {
    for (const SimNodePtr& dir : changed)
      state_->disk.sync_dir(dir);
  }
  return call.finish({});
}

Status SimFiles::remove_tree(const std::string& path) NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kNameCall, path);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  state_->disk.remove_tree(path);
  return call.finish({});
}

Result<std::vector<std::string>> SimFiles::list(const std::string& dir) NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kReadCall, dir);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  const SimNodePtr node = state_->disk.find(dir);
  if (!node) return Status(Code::kNotFound, dir + ": no such directory (simulated)");
  if (!node->is_dir) return Status(Code::kIo, dir + ": not a directory (simulated)");
  std::vector<std::string> names;
  for (const auto& entry : node->seen_entries)
    names.push_back(entry.first);
  return names;
}

Status SimFiles::sync_dir(const std::string& dir) NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kSyncCall, dir);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  const SimNodePtr node = state_->disk.find(dir);
  if (!node) return {Code::kNotFound, dir + ": no such directory (simulated)"};
  if (!call.in_flight()) state_->disk.sync_dir(node);
  return call.finish({});
}

Result<std::unique_ptr<FileLock>> SimFiles::lock(const std::string& path)
    NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kSpaceCall, path);
  TRY(call.refused());
  if (call.fault()) return call.failure();
  SimNodePtr node = state_->disk.find(path);
  if (!node) {
    TRY_ASSIGN(node, state_->disk.create_file(path));
  }
  if (state_->locked.contains(node.get())) {
    return Status(Code::kConflict, path + ": held by another object (simulated)");
  }
  TRY(call.finish({}));
  state_->locked.insert(node.get());
  return std::unique_ptr<FileLock>(
      std::make_unique<State::OpenLock>(state_, std::move(node), state_->generation));
}

Result<uint64_t> SimFiles::free_bytes(const std::string& path) NO_THREAD_SAFETY_ANALYSIS {
  const State::Call call(*state_, kNoFault, path);
  TRY(call.refused());
  const SimDisk& disk = state_->disk;
  return disk.capacity_bytes > disk.used_bytes() ? disk.capacity_bytes - disk.used_bytes() : 0;
}

void SimFiles::fail_at(uint64_t n, FaultKind kind, bool sticky) {
  const MutexLock lock(state_->mutex);
  state_->fault = kind;
  state_->fault_index = state_->counts[static_cast<size_t>(kind)] + n;
  state_->fault_sticky = sticky;
  state_->fault_fired = false;
}

void SimFiles::clear_fault() {
  const MutexLock lock(state_->mutex);
  state_->fault.reset();
}

bool SimFiles::fault_fired() const {
  const MutexLock lock(state_->mutex);
  return state_->fault_fired;
}

uint64_t SimFiles::operation_count(FaultKind kind) const {
  const MutexLock lock(state_->mutex);
  return state_->counts[static_cast<size_t>(kind)];
}

void SimFiles::on_operation(std::function<void(uint64_t index)> hook) {
  const MutexLock lock(state_->mutex);
  state_->hook = std::move(hook);
}

void SimFiles::cut_power_at(uint64_t n) {
  const MutexLock lock(state_->mutex);
  state_->cut_index = state_->counts[0] + n;
}

void SimFiles::cut_power() {
  const MutexLock lock(state_->mutex);
  state_->powered = false;
}

void SimFiles::crash(TearMode mode) {
  const MutexLock lock(state_->mutex);
  state_->disk.settle(mode, state_->random);
  state_->restore_power();
}

// The copy has the same mutex, which the analysis cannot know.
std::unique_ptr<SimFiles> SimFiles::after_crash(TearMode mode,
                                                uint64_t seed) const NO_THREAD_SAFETY_ANALYSIS {
  auto copy = std::make_unique<SimFiles>(seed);
  copy->state_ = std::make_shared<State>(seed, state_->family);
  const MutexLock lock(state_->mutex);
  copy->state_->disk = state_->disk.clone();
  copy->state_->disk.settle(mode, copy->state_->random);
  return copy;
}

void SimFiles::set_capacity(uint64_t bytes) {
  const MutexLock lock(state_->mutex);
  state_->disk.capacity_bytes = bytes;
}

uint64_t SimFiles::used_bytes() const {
  const MutexLock lock(state_->mutex);
  return state_->disk.used_bytes();
}

Status SimFiles::flip_bit(const std::string& path, uint64_t bit) {
  const MutexLock lock(state_->mutex);
  const SimNodePtr node = state_->disk.find(path);
  if (!node || node->is_dir || bit / 8 >= node->seen.size()) {
    return {Code::kNotFound, path + ": no such file or byte (simulated)"};
  }
  for (SimImage* const image : {&node->seen, &node->durable}) {
    std::byte value{};
    if (image->read(bit / 8, {&value, 1}) == 0) continue;
    value ^= std::byte{1} << (bit % 8);
    image->write(bit / 8, {&value, 1});
  }
  return {};
}

}  // namespace ferres
