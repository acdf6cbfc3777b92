// Flips one bit of one file of a data folder at rest and opens it. Wherever the bit was: the damage
// is found and said before it is used, or it is repaired (what is derived is rebuilt), or the bit
// meant nothing. Never a crash, a wrong score or a point that was not written. Before that the
// check of the folder must name the file, and its verdict must hold: what it calls sound answers
// whole. The folder is made anew for each flip, so that none sees another's repairs. 400 flips;
// FERRES_FLIPS takes another number, FERRES_SEED another seed.
#include <gtest/gtest.h>

#include "db/check.h"
#include "sim/trace.h"
#include "sim/world.h"

namespace ferres::sim {
namespace {

constexpr uint64_t kFolders = 8;  // different folders that the flips take turns on

DatabaseOptions quiet_options(uint64_t folder) {
  DatabaseOptions options = small_options();
  options.collection.background = false;
  options.collection.isolate_namespaces = folder % 2 == 1;
  return options;
}

std::vector<std::string> files_below(SimFiles& files, const std::string& dir) {
  std::vector<std::string> found;
  auto names = files.list(dir);
  EXPECT_TRUE(names.ok()) << dir;
  for (const std::string& name : *names) {
    const std::string path = dir + "/" + name;
    if (files.open(path, OpenMode::kRead).ok()) {
      found.push_back(path);
    } else {
      const auto deeper = files_below(files, path);
      found.insert(found.end(), deeper.begin(), deeper.end());
    }
  }
  return found;
}

class Flip {
 public:
  explicit Flip(uint64_t seed) : random_(seed), folder_(seed % kFolders), files_(folder_) {}

  void run() {
    World world(files_, folder_, quiet_options(folder_));
    Trace trace(world, folder_);
    make_folder(world, trace);
    if (testing::Test::HasFailure()) return;
    damage();
    check_folder();
    if (testing::Test::HasFailure()) return;
    if (const Status status = world.open(); !status.ok()) {
      EXPECT_FALSE(sound_) << where_ << ": " << status.message();
      EXPECT_TRUE(status.code() == Code::kCorruption || status.code() == Code::kUnimplemented)
          << where_ << ": " << status.message();
      ++refused;
      return;
    }
    check(world, trace);
    // Reading the rest of the files finds what no answer has met.
    world.settle();
    world.advance_micros(5'000'000);
    check(world, trace);
  }

  static inline uint64_t refused = 0;
  static inline uint64_t whole = 0;
  static inline std::map<std::string, uint64_t> found;  // flips, by what the check called them

 private:
  void make_folder(World& world, Trace& trace) const {
    const Status status = world.open();
    ASSERT_TRUE(status.ok()) << status.message();
    trace.start();
    for (uint64_t i = 0; i < 130 + folder_ * 20; ++i)
      trace.step();
    if (folder_ % 2 == 0) {
      world.kill();  // a checkpoint and a log behind it
    } else {
      const Status closed = world.close();
      ASSERT_TRUE(closed.ok()) << closed.message();
    }
  }

  void damage() {
    std::vector<std::string> paths = files_below(files_, "/data");
    std::erase_if(paths,
                  [](const std::string& path) { return path.starts_with("/data/dropped/"); });
    uint64_t bytes = 0;
    while (bytes == 0) {
      path_ = paths[random_.below(paths.size())];
      auto file = files_.open(path_, OpenMode::kRead);
      ASSERT_TRUE(file.ok()) << path_;
      bytes = *(*file)->size();
    }
    const uint64_t bit = random_.below(bytes * 8);
    where_ = path_ + ", bit " + std::to_string(bit) + " (byte " + std::to_string(bit / 8) + " of " +
             std::to_string(bytes) + ")";
    const Status status = files_.flip_bit(path_, bit);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  /// The check names the file; some derived damage is repaired.
  void check_folder() {
    CheckOptions options{.dir = "/data", .repair = false, .progress = {}};
    const auto report = check_database(files_, options);
    ASSERT_TRUE(report.ok()) << where_ << ": " << report.error().message();
    const auto named =
        std::find_if(report->findings.begin(), report->findings.end(),
                     [this](const Finding& finding) { return finding.where.file == path_; });
    ASSERT_NE(named, report->findings.end()) << where_ << " is not found";
    ++found[std::string(finding_name(named->kind))];
    sound_ = report->sound();
    if (named->kind != Finding::Kind::kDerived || random_.below(2) == 0) return;
    options.repair = true;
    const auto repaired = check_database(files_, options);
    ASSERT_TRUE(repaired.ok()) << where_ << ": " << repaired.error().message();
    EXPECT_TRUE(repaired->sound()) << where_;
    const auto again = check_database(files_, options);
    ASSERT_TRUE(again.ok()) << where_ << ": " << again.error().message();
    EXPECT_TRUE(again->sound()) << where_;
    sound_ = true;
  }

  void check(World& world, const Trace& trace) {
    bool answered = true;
    const Damage damage = sound_ ? Damage::kNone : Damage::kMayBeFound;
    for (const char* name : {"main", "side"}) {
      auto found = world.database().find(name);
      if (!found.ok()) {
        EXPECT_TRUE(found.error().code() == Code::kCorruption ||
                    found.error().code() == Code::kUnimplemented)
            << where_ << ": " << found.error().message();
        EXPECT_FALSE(sound_) << where_ << ": " << found.error().message();
        answered = false;
        continue;
      }
      Collection& collection = **found;
      const uint64_t now = world.clock().unix_micros();
      const Oracle& oracle = trace.oracle(name);
      SearchRequest request = search_for_all(Maker(random_, 8).vector());
      request.limit = 10;
      request.exact = false;
      EXPECT_TRUE(oracle.agrees_on_search(collection, request, now, damage))
          << where_ << ", graph of " << name;
      request.limit = kSearchLimitMax;
      request.exact = true;
      EXPECT_TRUE(oracle.agrees_on_search(collection, request, now, damage))
          << where_ << ", scan of " << name;
      EXPECT_TRUE(oracle.equals(collection, now, damage)) << where_ << ", " << name;
      answered = answered && collection.list(ListRequest{}).ok();
    }
    EXPECT_TRUE(answered || !sound_) << where_;
    (answered ? whole : refused) += 1;
  }

  Random random_;
  const uint64_t folder_;
  SimFiles files_;
  std::string path_;    // of the flip
  std::string where_;   // and its bit
  bool sound_ = false;  // says the check
};

TEST(BitFlip, IsFoundOrHarmless) {
  const uint64_t first = setting("FERRES_SEED", 1) * 1'000'000;
  const uint64_t flips = setting("FERRES_FLIPS", 400);
  for (uint64_t seed = first; seed < first + flips; ++seed) {
    SCOPED_TRACE("flip " + std::to_string(seed - first) +
                 " of FERRES_SEED=" + std::to_string(first / 1'000'000));
    Flip(seed).run();
    ASSERT_FALSE(HasFailure());
  }
  std::cout << Flip::refused << " refusals, " << Flip::whole << " whole answers; the check found";
  for (const auto& [kind, count] : Flip::found)
    std::cout << " " << count << " as " << kind;
  std::cout << "\n";
}

}  // namespace
}  // namespace ferres::sim
