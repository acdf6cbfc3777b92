// See hnsw.h.
#include "index/hnsw.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/random.h"
#include "index/scorer.h"

namespace ferres {
namespace {

// One point in so many is on the next level up. Sparser than HNSW's 1/m: the base level finds its
// way over a few more steps for less than the levels between would cost.
constexpr double kLevelRatio = 64;
// Pool of a search on the upper levels. More starts for the base level cost more than they save.
constexpr uint32_t kUpperPool = 1;
constexpr uint32_t kUpperPoolBuild = 64;
constexpr uint32_t kPoolMax = 1u << 20;

WalkScratch& scratch() {
  thread_local WalkScratch scratch;
  scratch.scored = scratch.rejected = 0;
  scratch.damage = Status();
  return scratch;
}

}  // namespace

Result<std::unique_ptr<ANNIndex>> HnswIndex::open(const IndexConfig& config,
                                                  const VectorStore& vectors, PageStore& store,
                                                  uint32_t first_arena) {
  TRY_ASSIGN(auto graph, HnswGraph::open(store, first_arena, config.m, config.seed));
  return std::unique_ptr<ANNIndex>(new HnswIndex(config, vectors, std::move(graph)));
}

HnswIndex::HnswIndex(const IndexConfig& config, const VectorStore& vectors,
                     std::unique_ptr<HnswGraph> graph)
    : vectors_(vectors),
      graph_(std::move(graph)),
      linker_(*graph_, vectors),
      plan_pool_(std::max(config.ef_construction / 2, 2 * config.m)),
      ef_search_(config.ef_search) {}

void HnswIndex::set_ef_search(uint32_t ef) {
  ef_search_.store(std::max(ef, 1u), std::memory_order_relaxed);
}

Status HnswIndex::check_dimension(std::span<const float> vector) const {
  if (vector.size() == vectors_.dim()) return {};
  return Status(Code::kInvalidDimension, "expected a vector of " + std::to_string(vectors_.dim()) +
                                             " numbers, got " + std::to_string(vector.size()));
}

// ---- inserting

Status HnswIndex::find_candidates(std::span<const float> vector, uint32_t level,
                                  PointPlan& plan) const {
  const VectorView view = vectors_.view();
  const GraphView graph = graph_->view();
  const PreparedQuery query = vectors_.prepare(vector);
  WalkScratch& s = scratch();
  const uint32_t pool = level == 0 ? plan_pool_ : kUpperPoolBuild;
  plan.scored.reset(size_t{pool} * 16);
  const auto note = [&plan](const Slot* slots, size_t count, const float* distances) {
    for (size_t i = 0; i < count; ++i)
      plan.scored.put(slots[i], distances[i]);
  };
  with_metric(view.metric, [&](auto metric) {
    const Scorer<metric()> scorer(vectors_, view, query.values.data());
    Walk walk(scorer, graph, s);
    walk.descend(level, kUpperPool);
    walk.start(pool, walk.starts(), walk.starts_count(), note);
    walk.run(level, pool, note);
  });
  if (!s.damage.ok()) return std::move(s.damage);
  plan.candidates.resize(s.pool.size());
  for (uint32_t i = 0; i < s.pool.size(); ++i)
    plan.candidates[i] = {s.pool.distance(i), s.pool.slot(i)};
  choose_neighbours(vectors_, view, plan.candidates, graph_->lanes_max(level), plan.choices);
  return {};
}

Status HnswIndex::make_plan(std::span<const float> vector, PointPlan& plan) const {
  // First: whatever is added after this number was read counts as recent.
  plan.additions = additions_.load(std::memory_order_acquire);
  return find_candidates(vector, 0, plan);
}

Result<std::unique_ptr<ANNIndex::Plan>> HnswIndex::plan_point(std::span<const float> vector) const {
  TRY(check_dimension(vector));
  auto plan = std::make_unique<PointPlan>();
  TRY(make_plan(vector, *plan));
  return std::unique_ptr<Plan>(std::move(plan));
}

void HnswIndex::refresh_plan(Slot slot, std::span<const float> vector, PointPlan& plan) const {
  const uint64_t now = additions_.load(std::memory_order_relaxed);
  std::vector<Slot> recent;
  for (uint64_t number = plan.additions; number < now; ++number) {
    const Slot added = recent_[number % kRecent];
    if (added != slot && graph_->linked(added)) recent.push_back(added);
  }
  std::sort(recent.begin(), recent.end());
  recent.erase(std::unique(recent.begin(), recent.end()), recent.end());

  std::vector<Hit>& candidates = plan.candidates;
  const size_t planned = candidates.size();
  const float worst = planned < plan_pool_ ? INFINITY : candidates.back().distance;
  // Gone since, or given out anew (then it is among the recent ones, with its new distance).
  std::erase_if(candidates, [&](const Hit& hit) {
    return hit.slot == slot || !graph_->linked(hit.slot) ||
           std::binary_search(recent.begin(), recent.end(), hit.slot);
  });
  bool changed = candidates.size() != planned;
  const VectorView view = vectors_.view();
  std::vector<float> distances(recent.size());
  ferres::distances(view, vectors_.prepare(vector), recent.data(), recent.size(), distances.data());
  for (size_t i = 0; i < recent.size(); ++i) {
    plan.scored.put(recent[i], distances[i]);
    if (!(distances[i] < worst)) continue;
    candidates.push_back({distances[i], recent[i]});
    changed = true;
  }
  if (!changed) return;
  std::sort(candidates.begin(), candidates.end(), [](const Hit& a, const Hit& b) {
    return candidate_key(a.distance, a.slot) < candidate_key(b.distance, b.slot);
  });
  if (candidates.size() > plan_pool_) candidates.resize(plan_pool_);
  choose_neighbours(vectors_, view, candidates, graph_->lanes_max(0), plan.choices);
}

uint32_t HnswIndex::draw_levels() const {
  const GraphHeader& header = graph_->header();
  Random random(header.seed + header.additions * 0x9E3779B97F4A7C15u);
  const double levels = -std::log(1 - random.unit()) / std::log(kLevelRatio);
  return std::min(static_cast<uint32_t>(levels), kUpperLevelsMax);
}

Status HnswIndex::link_upper_levels(Slot slot, std::span<const float> vector, uint32_t levels) {
  PointPlan plan;
  for (uint32_t level = 1; level <= levels; ++level) {
    if (graph_->root(level) == kNoSlot) return {};
    TRY(find_candidates(vector, level, plan));
    TRY(linker_.link(level, slot, plan.choices, plan.scored));
  }
  return {};
}

Status HnswIndex::add_point(Slot slot, std::span<const float> vector, Plan& plan_base) {
  TRY(check_dimension(vector));
  graph_->refresh();
  if (graph_->linked(slot)) {
    return Status(Code::kAlreadyExists, "slot " + std::to_string(slot) + " is linked");
  }
  if (slot >= vectors_.view().slots) {
    return Status(Code::kInvalidArgument, "slot " + std::to_string(slot) + " has no vector");
  }
  auto& plan = static_cast<PointPlan&>(plan_base);
  const uint64_t now = additions_.load(std::memory_order_relaxed);
  if (now - plan.additions > kRecent) TRY(make_plan(vector, plan));
  refresh_plan(slot, vector, plan);
  const uint32_t levels = draw_levels();
  TRY(graph_->enter(slot, levels));
  TRY(linker_.link(0, slot, plan.choices, plan.scored));
  TRY(link_upper_levels(slot, vector, levels));
  graph_->publish(slot);
  recent_[now % kRecent] = slot;
  additions_.store(now + 1, std::memory_order_release);
  return {};
}

void HnswIndex::remove_point(Slot slot) {
  graph_->refresh();
  if (!graph_->linked(slot)) return;
  for (uint32_t level = graph_->upper_levels(slot) + 1; level-- > 0;) {
    // Out of memory for a list: an edge less, and the graph stays consistent.
    if (graph_->on_level(level, slot)) linker_.unlink(level, slot).ignore();
  }
  graph_->leave(slot);
}

// ---- searching

template <Metric metric>
Status HnswIndex::run_search(std::span<const float> query, const SearchParams& params,
                             const SlotFilter& filter, Explain& explain) const {
  const VectorView view = vectors_.view();
  const GraphView graph = graph_->view();
  WalkScratch& s = scratch();
  const PreparedQuery prepared = vectors_.prepare(query);
  const Scorer<metric> scorer(vectors_, view, prepared.values.data());
  Walk walk(scorer, graph, s);
  walk.descend(0, kUpperPool);
  uint32_t ef = std::min(std::max(explain.ef_used, params.k), kPoolMax);
  Pool* found = &s.pool;
  if (filter.selective()) {
    explain.exhausted = walk.run_admitting(ef, params.visits_max, filter);
    found = &s.admitted;
  }
  for (;; ef = std::min(ef * 2, kPoolMax)) {
    if (!filter.selective()) {
      walk.start(ef, walk.starts(), walk.starts_count());
      walk.run(0, ef);
    }
    if (!s.damage.ok()) return std::move(s.damage);
    explain.hits.clear();
    for (uint32_t i = 0; i < found->size() && explain.hits.size() < params.k; ++i) {
      const Hit hit = {found->distance(i), found->slot(i)};
      if (filter.selective() || filter.admits(hit.slot)) {
        explain.hits.push_back(hit);
      } else {
        ++s.rejected;
      }
    }
    // A full pool may hide admitted points behind refused ones: look again with a larger one.
    if (filter.selective() || explain.hits.size() == params.k || !found->full() || ef == kPoolMax) {
      break;
    }
  }
  explain.ef_used = ef;
  explain.layers = graph.levels();
  explain.visited = s.scored;
  explain.rejected = s.rejected;
  return {};
}

Status HnswIndex::search_explain(std::span<const float> query, const SearchParams& params,
                                 const SlotFilter& filter, Explain& explain) const {
  TRY(check_dimension(query));
  explain.hits.clear();
  explain.exhausted = true;
  explain.ef_used = params.ef == 0 ? current_ef_search() : params.ef;
  if (params.k == 0) return {};
  return with_metric(vectors_.metric(), [&](auto metric) {
    return run_search<metric()>(query, params, filter, explain);
  });
}

Status HnswIndex::search(std::span<const float> query, const SearchParams& params,
                         const SlotFilter& filter, std::vector<Hit>& hits, bool* exhausted) const {
  Explain explain;
  explain.hits.swap(hits);  // its memory is used again
  Status status = search_explain(query, params, filter, explain);
  hits.swap(explain.hits);
  *exhausted = explain.exhausted;
  return status;
}

IndexStats HnswIndex::audit() const {
  IndexStats stats;
  stats.points = graph_->header().points;
  stats.layers = graph_->view().levels();
  stats.unreachable = graph_->unreachable();
  return stats;
}

}  // namespace ferres
