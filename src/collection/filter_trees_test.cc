// Random filter trees on whole collections against brute force: every index, with codes and
// without, every metric, while points are written, updated, deleted, expire, and the collection is
// checkpointed and opened again from a simulated disk (collection/test_brute_force.h).
//
// A seed is one collection and 200 filters, each asked as a count, an exact search and a plain one.
// A failure prints its seed; FERRES_SEED=n runs that one alone, FERRES_ROUNDS=n more or fewer seeds
// than 4: 500 are the 100 000 queries of docs/TESTING.md.
#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/executor.h"
#include "base/logging.h"
#include "base/sim_files.h"
#include "base/test_settings.h"
#include "collection/collection.h"
#include "collection/test_brute_force.h"
#include "collection/test_metadata.h"

namespace ferres {
namespace {

using naive::Json;
using naive::JsonWriter;

constexpr uint32_t kDimension = 16;
constexpr int kQueries = 200;
constexpr double kTolerance = 1e-5;

/// Durations are drawn: the planner, which learns from them, takes every way there is.
class DrawnClock : public ManualClock {
 public:
  explicit DrawnClock(uint64_t seed) : ManualClock(1'750'000'000'000'000), random_(seed) {}
  uint64_t monotonic_nanos() const override {
    return nanos_ += random_.below(uint64_t{1} << (16 + random_.below(14)));
  }

 private:
  mutable Random random_;
  mutable uint64_t nanos_ = 0;
};

struct Totals {
  uint64_t queries = 0;
  uint64_t empty = 0;  // without a match
  uint64_t visible = 0;
  uint64_t matches = 0;
  uint64_t wanted = 0;  // of plain searches, and how many of them were the nearest
  uint64_t nearest = 0;
};

class Trees {
 public:
  Trees(uint64_t seed, Totals& totals)
      : totals_(totals), random_(seed), maker_(random_, seed % 7 == 4), files_(seed), clock_(seed) {
    constexpr std::pair<const char*, const char*> kIndexes[] = {
        {"compact", R"({"Polar":{"bits_per_angle":8}})"},
        {"flat", R"("None")"},
        {"fast", R"({"RaBitQ":{"bits":8}})"},
        {"compact", R"({"RaBitQ":{"bits":4}})"},
        {"compact", R"("None")"},
        {"compact", R"({"Scalar":{}})"},
        {"fast", R"("None")"},
        {"compact", R"({"Lvq":{"bits":8}})"}};
    const auto& [index, quantization] = kIndexes[seed % std::size(kIndexes)];
    config_.name = "trees";
    config_.uuid = "u";
    config_.dimension = kDimension;
    config_.metric = static_cast<Metric>(random_.below(3));
    config_.index_sent = index;
    config_.quantization_json = quantization;
    // None walks on full vectors, which the disk is not for.
    const bool codes = config_.quantization_json != R"("None")";
    config_.vectors.residency = static_cast<Residency>(random_.below(codes ? 3 : 2));
    config_.index.m = 8;
    config_.index.ef_construction = 60;
    options_.flat_points_max = 100;
    options_.tail_points_max = 300;
    options_.checkpoint_log_bytes = 1 << 20;
    options_.log_segment_bytes = 256 << 10;
    // Without it only link_all() links: the tail waits beside the graph for long.
    options_.background = seed % 5 > 2;
    // Some values stay out of the payload index, so that filters have to be asked of the documents.
    if (seed % 3 == 0) options_.payload_bytes_max = 300'000 + random_.below(300'000);
    EXPECT_TRUE(resolve_index(config_).ok());
    brute_force_ = std::make_unique<BruteForce>(config_.metric);
    open();
  }
  ~Trees() { drop(); }

  void run() {
    for (int i = 0; i < 3; ++i)
      upsert(1000);
    ASSERT_TRUE(collection_->link_all().ok());
    for (int i = 0; i < kQueries && !::testing::Test::HasFatalFailure(); ++i) {
      SCOPED_TRACE(fmt::format("query {}", i));
      if (random_.one_in(5)) change();
      clock_.advance_micros(1000);
      if (!::testing::Test::HasFatalFailure()) ask();
    }
  }

 private:
  using Key = BruteForce::Key;
  using Stored = BruteForce::Stored;

  // ---- the collection

  void open() {
    executor_ = std::make_unique<ManualExecutor>(random_.next());
    commit_clock_ = std::make_unique<CommitClock>(clock_);
    const Environment env{&files_, executor_.get(), &clock_, commit_clock_.get()};
    auto opened = Collection::open(env, "trees", config_, options_);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    collection_ = *std::move(opened);
  }
  void drop() {
    reader_.reset();
    collection_.reset();
    executor_.reset();
  }
  void reopen() {
    if (random_.one_in(3)) {
      files_.cut_power();
      drop();
      files_.crash(static_cast<TearMode>(random_.below(3)));
    } else {
      ASSERT_TRUE(collection_->close(random_.one_in(2)).ok());
      drop();
    }
    open();
  }

  // ---- changes

  std::string draw_namespace() {
    constexpr const char* kNames[] = {"", "", "", "north", "south", "süd"};
    return kNames[random_.below(std::size(kNames))];
  }
  std::string draw_id() { return fmt::format("p{}", random_.below(1500)); }

  /// Of few values, so that scores are exact and ties are common.
  std::vector<float> draw_vector() {
    std::vector<float> vector(kDimension);
    for (float& value : vector)
      value = (static_cast<float>(random_.below(17)) - 8) / 8;
    vector[random_.below(kDimension)] = 1;  // never zero: it has no direction
    return vector;
  }

  void upsert(uint64_t count) {
    clock_.advance_micros(1000);
    UpsertRequest request;
    std::vector<Stored> written;
    for (; count > 0; --count) {
      Stored stored;
      PointInput& input = stored.input;
      input.id = draw_id();
      if (std::string ns = draw_namespace(); !ns.empty()) input.ns = std::move(ns);
      if (!random_.one_in(30)) input.vector = draw_vector();
      stored.document = maker_.document();
      input.metadata_json = JsonWriter().text(stored.document);
      if (random_.one_in(20)) {
        input.ttl_seconds = 1 + random_.below(300);
        stored.expires_micros = clock_.unix_micros() + *input.ttl_seconds * 1'000'000;
      }
      request.points.push_back(input);
      written.push_back(std::move(stored));
    }
    const auto result = collection_->upsert(std::move(request));
    ASSERT_TRUE(result.ok()) << result.error().message();
    ASSERT_EQ(result->upserted, written.size());
    for (Stored& stored : written)
      brute_force_->put(std::move(stored));
  }

  void remove(uint64_t count) {
    DeleteRequest request;
    const std::string ns = draw_namespace();
    if (!ns.empty()) request.ns = ns;
    for (; count > 0; --count)
      request.ids.push_back(draw_id());
    for (const std::string& id : request.ids)
      brute_force_->remove({ns, id});
    ASSERT_TRUE(collection_->remove(std::move(request)).ok());
  }

  void change() {
    reader_.reset();
    const uint64_t kind = random_.below(12);
    // A slow reader: what is deleted stays, linked and dead.
    if (kind >= 5 && kind <= 8 && random_.one_in(2)) reader_ = std::make_unique<EpochGuard>();
    switch (kind) {
      case 0:
        ASSERT_TRUE(collection_->link_all().ok());
        break;
      case 1:
        ASSERT_TRUE(collection_->checkpoint().ok());
        break;
      case 2:
        reopen();
        break;
      case 3:
        clock_.advance_micros(random_.below(20) * 1'000'000);
        if (random_.one_in(2)) collection_->sweep_expired();
        break;
      case 4:
        upsert(300);
        break;
      case 5:
        remove(300);
        break;
      default:
        kind < 9 ? remove(1 + random_.below(30)) : upsert(1 + random_.below(60));
    }
    // What the change leaves behind is done now, or waits beside the next queries.
    if (random_.one_in(2)) executor_->run_all();
  }

  // ---- queries

  /// A filter as text, and the namespaces that it and the request name.
  struct Question {
    Json filter;
    std::string text;
    std::optional<std::string> filter_ns;
    std::optional<std::string> request_ns;
    /// The one in force; empty: any.
    std::string ns() const {
      if (request_ns && !request_ns->empty()) return *request_ns;
      return filter_ns.value_or("");
    }
  };

  Question draw_question() {
    Question question;
    question.filter = maker_.filter();
    Json sent = question.filter;
    if (random_.one_in(4)) question.request_ns = draw_namespace();
    if (random_.one_in(8)) {
      question.filter_ns = random_.one_in(10) ? "nobody" : draw_namespace();
      sent.members.emplace_back("$namespace", naive::string_json(*question.filter_ns));
    }
    question.text = JsonWriter(&random_).text(sent);
    return question;
  }

  void ask() {
    const Question question = draw_question();
    SCOPED_TRACE(fmt::format("filter {}, namespace '{}', {} {} {}", question.text, question.ns(),
                             config_.index_sent, config_.quantization_json,
                             metric_name(config_.metric)));
    const auto predicate = Predicate::parse(question.text);
    ASSERT_TRUE(predicate.ok()) << predicate.error().message();
    SearchRequest request;
    request.filter = &*predicate;
    request.ns = question.request_ns;
    const Stored* const center = draw_query(question.ns(), request);
    const BruteForce::Answer answer =
        brute_force_->ask({.filter = &question.filter,
                           .ns = question.ns(),
                           .vector = center != nullptr ? center->input.vector : request.vector,
                           .excluded = center,
                           .now_micros = clock_.unix_micros()});
    ++totals_.queries;
    totals_.empty += answer.matches == 0 ? 1 : 0;
    totals_.visible += answer.visible;
    totals_.matches += answer.matches;
    check_list(request, answer.matches);
    for (const bool exact : {true, false}) {
      request.exact = exact;
      if (!::testing::Test::HasFatalFailure()) check_search(request, answer.scores);
    }
  }

  /// Sets a vector, or a point of that namespace to search by: returned then.
  const Stored* draw_query(const std::string& ns, SearchRequest& request) {
    constexpr uint32_t kLimits[] = {1, 3, 10, 10, 10, 50, 200, 10'000};
    constexpr uint32_t kEfs[] = {0, 0, 1, 20};
    request.limit = kLimits[random_.below(std::size(kLimits))];
    request.ef_search = kEfs[random_.below(std::size(kEfs))];
    const Stored* const point = brute_force_->find({ns, draw_id()});
    if (random_.one_in(8) && point != nullptr && !point->input.vector.empty() &&
        clock_.unix_micros() < point->expires_micros) {
      request.id = point->input.id;
      return point;
    }
    request.vector = draw_vector();
    return nullptr;
  }

  void check_list(const SearchRequest& asked, uint64_t matches) {
    ListRequest request;
    request.filter = asked.filter;
    request.ns = asked.ns;
    request.count_only = !random_.one_in(10);
    request.limit = 10'000;
    request.with_vector = false;
    const auto listed = collection_->list(request);
    ASSERT_TRUE(listed.ok()) << listed.error().message();
    ASSERT_EQ(listed->total, matches);
    ASSERT_EQ(listed->points.size(), request.count_only ? 0 : matches);
    std::set<Key> seen;
    for (const Point& point : listed->points)
      ASSERT_NE(find_match(point, seen), nullptr);
  }

  /// Null and a failure when the point is none of the matches, as it was written, or was seen.
  const Stored* find_match(const Point& point, std::set<Key>& seen) {
    const Key key{point.ns.value_or(""), point.id};
    const Stored* const stored = brute_force_->find(key);
    const bool match = stored != nullptr && brute_force_->matches(*stored);
    EXPECT_TRUE(match) << point.id << " does not match: " << point.metadata_json;
    if (!match) return nullptr;
    EXPECT_TRUE(seen.insert(key).second) << point.id << " is answered twice";
    EXPECT_EQ(point.metadata_json, stored->input.metadata_json);
    return ::testing::Test::HasNonfatalFailure() ? nullptr : stored;
  }

  void check_search(const SearchRequest& request, const std::vector<double>& scores) {
    SCOPED_TRACE(fmt::format("{} search, limit {}, ef {}", request.exact ? "exact" : "plain",
                             request.limit, request.ef_search));
    const auto result = collection_->search(request);
    ASSERT_TRUE(result.ok()) << result.error().message();
    const size_t wanted = std::min<size_t>(request.limit, scores.size());
    ASSERT_EQ(result->hits.size(), wanted);
    std::set<Key> seen;
    float before = -std::numeric_limits<float>::max();
    for (size_t i = 0; i < wanted; ++i) {
      const SearchHit& hit = result->hits[i];
      const Stored* const stored = find_match(hit.point, seen);
      ASSERT_NE(stored, nullptr);
      ASSERT_NEAR(hit.score, stored->score, kTolerance);
      ASSERT_LE(before, hit.score);
      before = hit.score;
      // Where each place has the score that it has by brute force, the points are the same and in
      // the same order, up to ties.
      if (request.exact) {
        ASSERT_NEAR(stored->score, scores[i], kTolerance) << "place " << i;
      } else if (stored->score <= scores[wanted - 1] + kTolerance) {
        ++totals_.nearest;
      }
    }
    if (!request.exact) totals_.wanted += wanted;
  }

  Totals& totals_;
  Random random_;
  naive::MetadataMaker maker_;
  SimFiles files_;
  DrawnClock clock_;
  std::unique_ptr<CommitClock> commit_clock_;
  std::unique_ptr<ManualExecutor> executor_;
  CollectionConfig config_;
  CollectionOptions options_;
  std::shared_ptr<Collection> collection_;
  std::unique_ptr<BruteForce> brute_force_;
  std::unique_ptr<EpochGuard> reader_;
};

/// What the index drops at its limit is told in log lines, a lot of them.
class Quiet {
 public:
  Quiet() { configure_logging({.level = LogLevel::kOff, .json = false, .sink = nullptr}); }
  ~Quiet() { configure_logging({}); }
};

TEST(FilterTrees, AnswerAsBruteForceDoes) {
  // A sanitizer takes ten times as long: it sees a share.
#if defined(__SANITIZE_ADDRESS__)
  constexpr uint64_t kRounds = 2;
#else
  constexpr uint64_t kRounds = 4;
#endif
  const Quiet quiet;
  Totals totals;
  const auto [first, last] = seeds(setting("FERRES_ROUNDS", kRounds));
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed));
    Trees trees(seed, totals);
    if (!HasFatalFailure()) trees.run();
    if (HasFatalFailure()) return;
  }
  const auto share = [](uint64_t part, uint64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  // Filters that nearly always match, or never, would test nothing.
  EXPECT_GT(share(totals.matches, totals.visible), 0.2);
  EXPECT_LT(share(totals.matches, totals.visible), 0.8);
  EXPECT_LT(share(totals.empty, totals.queries), 0.5);
  EXPECT_GT(share(totals.nearest, totals.wanted), 0.95);
}

}  // namespace
}  // namespace ferres
