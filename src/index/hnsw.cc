// See hnsw.h.
#include "index/hnsw.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "index/hnsw_walk.h"
#include "index/member_scan.h"

namespace ferres {
namespace {

constexpr uint32_t kPoolMax = 1u << 20;
// Codes of fewer bits a component are not scanned: they would hide near members behind others.
constexpr uint32_t kScanBitsMin = 4;
// A scan keeps so many times k beside the k nearest, at most so many, and scores again those that
// may be nearer than they seem: far from the query points lie close in distance, and codes of fewer
// bits err more than what lies between a hundred of them.
constexpr uint32_t kScanBitsSure = 8;
constexpr uint32_t kScanSpareShare = 10;
constexpr uint32_t kScanSpareShareUnsure = 100;
constexpr uint32_t kScanSpareMax = 2000;
// Against a k-th that is known exactly only one of the two distances errs.
constexpr float kSureDoubts = 1.4f;
constexpr size_t kRescored = 16;  // at a time
// Distances that a plan of the compact layout meets, times its pool: growing costs more than room.
constexpr size_t kScoredOfPool = 32;
// A walk to the members of a set may take so many times the steps that it would take if they were
// everywhere, and a few. Then they are not near the query.
constexpr double kPatience = 2;
constexpr uint64_t kPatienceMin = 64;
// The nearest ef of a share are the nearest ef / share of all, but fewer have to be expanded to
// meet those (measured on wordnet384: docs/ENGINE.md).
constexpr double kWidthPower = 0.75;

// Every so many additions a stored point is searched for, first with the smaller pool, and if it is
// missed with the larger; if that misses too, it gets an edge and the next additions search for
// more. Where the graph leads to its points, as on real data, the cost is within the noise of a
// build.
constexpr uint32_t kProbePools[] = {32, 128};
constexpr float kProbesPerAddition = 1.0f / 32;
constexpr float kProbesPerMiss = 32;
constexpr float kProbesDueMax = 1024;
constexpr uint32_t kProbesAtOnce = 2;

// Arenas of the graph come first.
constexpr uint32_t kCodeArenas = 5;
// Lane codes let pass what they estimate so much beyond the worst of the pool, times 1 / sqrt(dim):
// the error of a one-bit estimate shrinks like that. Less cost recall at 100 dimensions, more
// speed. Where signs say too little, every lane passes.
constexpr float kSlack = 0.75f;

WalkScratch& scratch() {
  thread_local WalkScratch scratch;
  return scratch;
}
/// The entries and the graph.
uint32_t layers(const GraphView& view) {
  return view.root() == kNoSlot ? 0 : 2;
}

void keep_nearest(std::vector<Hit>& candidates, size_t count) {
  std::sort(candidates.begin(), candidates.end(), [](const Hit& a, const Hit& b) {
    return candidate_key(a.distance, a.slot) < candidate_key(b.distance, b.slot);
  });
  if (candidates.size() > count) candidates.resize(count);
}

WalkScratch& fresh_scratch() {
  WalkScratch& s = scratch();
  s.scored = s.rejected = 0;
  s.damage = Status();
  return s;
}

}  // namespace

Result<std::unique_ptr<ANNIndex>> HnswIndex::open(const IndexConfig& config,
                                                  const VectorStore& vectors, PageStore& store,
                                                  uint32_t first_arena) {
  const bool lanes = config.layout == GraphLayout::kFast;
  std::unique_ptr<Space> space;
  if (config.quantizer) {
    TRY_ASSIGN(space,
               open_code_space(vectors, store, first_arena + kCodeArenas, *config.quantizer));
  } else {
    space = make_vector_space(vectors, lanes);
  }
  HnswGraph::Options options;
  options.m = config.m;
  options.seed = config.seed;
  options.space = space.get();
  options.lanes = lanes;
  // Who keeps the vectors out of memory wants it for searches alone.
  if (vectors.place().residency != Residency::kMemory) {
    options.lane_residency = Residency::kMapped;
  }
  TRY_ASSIGN(auto graph, HnswGraph::open(store, first_arena, options));
  return std::unique_ptr<ANNIndex>(
      new HnswIndex(config, vectors, std::move(space), std::move(graph)));
}

HnswIndex::HnswIndex(const IndexConfig& config, const VectorStore& vectors,
                     std::unique_ptr<Space> space, std::unique_ptr<HnswGraph> graph)
    : vectors_(vectors),
      config_(config),
      space_(std::move(space)),
      graph_(std::move(graph)),
      linker_(*graph_, *space_),
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

template <class Body>
auto HnswIndex::with_blocks(const SpaceQuery& query, Body&& body) const {
  const GraphView view = graph_->view();
  if (config_.layout == GraphLayout::kFast) {
    const uint32_t dim = space_->rotated_dim();
    const float slack = dim < kSignsSayEnough ? std::numeric_limits<float>::infinity()
                                              : kSlack / std::sqrt(static_cast<float>(dim));
    return body(LaneBlocks(view, query.lanes.query(), slack));
  }
  return body(PlainBlocks(view));
}

Status HnswIndex::make_plan(std::span<const float> vector, PointPlan& plan) const {
  // First: whatever is added after this number was read counts as recent.
  plan.additions = additions_.load(std::memory_order_acquire);
  if (!space_->ready()) return {};  // nothing is linked: all that comes will count as recent
  WalkScratch& s = fresh_scratch();
  space_->prepare(vector, s.query);
  plan.scored.reset(size_t{plan_pool_} * kScoredOfPool);
  const auto note = [&plan](const Slot* slots, size_t count, const float* distances) {
    for (size_t i = 0; i < count; ++i)
      plan.scored.put(slots[i], distances[i]);
  };
  with_blocks(s.query, [&](const auto& blocks) {
    Walk walk(*space_, blocks, s);
    walk.enter();
    walk.run(plan_pool_, note);
    plan.candidates.resize(s.pool.size());
    for (uint32_t i = 0; i < s.pool.size(); ++i)
      plan.candidates[i] = {s.pool.distance(i), s.pool.slot(i)};
    look_past_copies(blocks, plan);
  });
  if (!s.damage.ok()) return std::move(s.damage);
  choose_neighbours(*space_, plan.candidates, graph_->lanes_max(), plan.choices);
  return {};
}

/// Where all candidates are copies of one point, half of them make room for what the copies lead
/// to: so each copy leads out of their midst.
template <class Blocks>
void HnswIndex::look_past_copies(const Blocks& blocks, PointPlan& plan) const {
  WalkScratch& s = scratch();
  std::vector<Hit>& candidates = plan.candidates;
  if (!s.damage.ok() || candidates.size() < plan_pool_ ||
      !space_->same(candidates.front().slot, candidates.back().slot)) {
    return;
  }
  const size_t copies = candidates.size() / 2;
  std::vector<Slot> out;
  for (const Hit& copy : candidates) {
    const uint32_t count = blocks.read(copy.slot, s.ids);
    std::copy_if(s.ids, s.ids + count, std::back_inserter(out), [&](Slot slot) {
      return slot < space_->slots() && !space_->same(slot, copy.slot);
    });
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  candidates.resize(copies);
  for (const Hit& copy : candidates)  // others may lie between copies
    std::erase(out, copy.slot);
  std::vector<float> distances(out.size());
  space_->score(s.query, out.data(), out.size(), distances.data());
  for (size_t i = 0; i < out.size(); ++i) {
    plan.scored.put(out[i], distances[i]);
    candidates.push_back({distances[i], out[i]});
  }
  keep_nearest(candidates, plan_pool_);
}

Result<std::unique_ptr<ANNIndex::Plan>> HnswIndex::plan_point(std::span<const float> vector) const {
  TRY(check_dimension(vector));
  auto plan = std::make_unique<PointPlan>();
  TRY(make_plan(vector, *plan));
  return std::unique_ptr<Plan>(std::move(plan));
}

/// scratch().query is prepared.
void HnswIndex::refresh_plan(Slot slot, PointPlan& plan) const {
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
  const bool full = planned >= plan_pool_;
  const float worst = full ? candidates.back().distance : 0;
  // Gone since, or given out anew (then it is among the recent ones, with its new distance).
  std::erase_if(candidates, [&](const Hit& hit) {
    return hit.slot == slot || !graph_->linked(hit.slot) ||
           std::binary_search(recent.begin(), recent.end(), hit.slot);
  });
  bool changed = candidates.size() != planned;
  std::vector<float> distances(recent.size());
  space_->prefetch(recent.data(), recent.size());
  space_->score(scratch().query, recent.data(), recent.size(), distances.data());
  for (size_t i = 0; i < recent.size(); ++i) {
    plan.scored.put(recent[i], distances[i]);
    if (full && !(distances[i] < worst)) continue;
    candidates.push_back({distances[i], recent[i]});
    changed = true;
  }
  if (!changed) return;
  keep_nearest(candidates, plan_pool_);
  choose_neighbours(*space_, candidates, graph_->lanes_max(), plan.choices);
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
  space_->prepare(vector, fresh_scratch().query);
  TRY(space_->put(slot, scratch().query));
  refresh_plan(slot, plan);
  TRY(graph_->enter(slot));
  TRY(linker_.link(slot, plan.choices, plan.scored));
  graph_->publish(slot);
  recent_[now % kRecent] = slot;
  additions_.store(now + 1, std::memory_order_release);
  probe_some().ignore();  // a probe that fails costs nobody an answer
  return {};
}

// ---- probing

/// Whether a search with such a pool finds the slot, or enough as near as it. scratch().query is
/// prepared from its vector; what is found stays in scratch().pool.
Result<bool> HnswIndex::leads_to(Slot slot, uint32_t pool) const {
  WalkScratch& s = scratch();
  with_blocks(s.query, [&](const auto& blocks) {
    Walk walk(*space_, blocks, s);
    walk.enter();
    walk.run(pool);
  });
  if (!s.damage.ok()) return std::move(s.damage);
  for (uint32_t i = 0; i < s.pool.size(); ++i) {
    if (s.pool.slot(i) == slot) return true;
  }
  float own = 0;
  space_->score(s.query, &slot, 1, &own);
  return s.pool.size() < pool || !(own < s.pool.distance(pool - 1));
}

Status HnswIndex::probe(Slot slot) {
  if (!vectors_.all_verified()) TRY(vectors_.verify(slot));
  WalkScratch& s = fresh_scratch();
  space_->prepare(vectors_.get(slot), s.query);
  for (const uint32_t pool : kProbePools) {
    TRY_ASSIGN(const bool found, leads_to(slot, pool));
    if (found) return {};
  }
  probes_due_ = std::min(probes_due_ + kProbesPerMiss, kProbesDueMax);
  std::vector<Hit> found(s.pool.size());
  for (uint32_t i = 0; i < s.pool.size(); ++i)
    found[i] = {s.pool.distance(i), s.pool.slot(i)};
  return linker_.keep_found(slot, found);
}

Status HnswIndex::probe_some() {
  probes_due_ += kProbesPerAddition;
  const Slot slots = std::min(graph_->view().slots, space_->slots());
  for (uint32_t i = 0; i < kProbesAtOnce && probes_due_ >= 1; ++i) {
    probes_due_ -= 1;
    // Multiples of the golden ratio: each stretch of probes is spread evenly over the slots.
    const uint32_t place = static_cast<uint32_t>(probes_++) * 0x9E3779B9u;
    const Slot slot = static_cast<Slot>(uint64_t{place} * slots >> 32);
    if (graph_->linked(slot)) TRY(probe(slot));
  }
  return {};
}

void HnswIndex::remove_point(Slot slot) {
  graph_->refresh();
  if (!graph_->linked(slot)) return;
  // Out of memory for a list: an edge less, and the graph stays consistent.
  linker_.unlink(slot).ignore();
  graph_->leave(slot);
}

// ---- searching

template <class Blocks>
void HnswIndex::run_search(const Blocks& blocks, const SearchParams& params,
                           const SlotFilter& filter, Explain& explain) const {
  WalkScratch& s = scratch();
  Walk walk(*space_, blocks, s, params.without);
  walk.enter();
  explain.layers = layers(blocks);
  WalkBudget budget;
  if (params.visits_max != 0) budget.visits = params.visits_max;
  const uint32_t ef = explain.ef_used;
  if (const SlotSet* const members = filter.members()) {
    const double points = std::max<Slot>(blocks.slots, 1);
    const double share = static_cast<double>(std::max<uint64_t>(members->size(), 1)) / points;
    budget.steps = static_cast<uint64_t>(kPatience * ef / share) + kPatienceMin;
    const auto width = static_cast<uint32_t>(ef / std::pow(share, kWidthPower));
    explain.exhausted = walk.run_admitting(
        ef, width, share, budget, [members](Slot slot) { return members->contains(slot); });
  } else if (filter.selective()) {
    explain.exhausted =
        walk.run_admitting(ef, ~0u, 1, budget, [&](Slot slot) { return filter.admits(slot); });
  } else {
    walk.run(explain.ef_used);
  }
  explain.visited = s.scored;
}

/// What codes say is put right on full vectors: the k nearest are scored again, and those behind
/// them that may be nearer than they seem.
Status HnswIndex::collect(const Pool& pool, uint32_t k, const SlotFilter* filter,
                          std::vector<Hit>& hits) const {
  WalkScratch& s = scratch();
  const VectorView view = vectors_.view();
  const bool exact = space_->exact();
  hits.clear();
  const uint32_t likely = std::min(pool.size(), k);
  for (uint32_t i = 0; i < likely; ++i) {
    if (filter != nullptr) filter->prefetch(pool.slot(i));
    if (!exact) prefetch_whole_row(view, pool.slot(i));
  }
  uint32_t next = 0;
  s.rescore.clear();
  float limit = kFar;  // where the k-th may lie
  for (; next < pool.size(); ++next) {
    const Hit hit = {pool.distance(next), pool.slot(next)};
    if (hits.size() >= k && (exact || hit.distance - doubt(hit) > limit)) break;
    if (filter != nullptr && !filter->admits(hit.slot)) {
      ++s.rejected;
      continue;
    }
    hits.push_back(hit);
    s.rescore.push_back(hit.slot);
    if (hits.size() == k) limit = hit.distance + doubt(hit);
    if (!exact && next >= likely) prefetch_whole_row(view, hit.slot);
  }
  if (exact) return {};
  TRY(rescore(view, k, hits));
  // Of many candidates those seem nearest whose codes err that way; now the k-th is known better.
  while (next < pool.size() && hits.size() == k) {
    limit = space_->on_codes(hits.back().distance);
    s.rescore.clear();
    for (; next < pool.size() && s.rescore.size() < kRescored; ++next) {
      const Hit hit = {pool.distance(next), pool.slot(next)};
      if (hit.distance - kSureDoubts * doubt(hit) > limit) {
        next = pool.size();
        break;
      }
      if (filter != nullptr && !filter->admits(hit.slot)) {
        ++s.rejected;
        continue;
      }
      hits.push_back(hit);
      s.rescore.push_back(hit.slot);
      prefetch_whole_row(view, hit.slot);
    }
    TRY(rescore(view, k, hits));
  }
  return {};
}

/// Gives the last hits, those of scratch().rescore, their true distances; the nearest k stay.
Status HnswIndex::rescore(const VectorView& view, uint32_t k, std::vector<Hit>& hits) const {
  WalkScratch& s = scratch();
  if (!vectors_.all_verified()) {
    for (const Slot slot : s.rescore)
      TRY(vectors_.verify(slot));
  }
  vectors_.ask_for(s.rescore);
  s.rescored.resize(s.rescore.size());
  distances(view, s.query.full, s.rescore.data(), s.rescore.size(), s.rescored.data());
  const size_t known = hits.size() - s.rescore.size();
  for (size_t i = 0; i < s.rescore.size(); ++i)
    hits[known + i].distance = s.rescored[i];
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
  });
  if (hits.size() > k) hits.resize(k);
  return {};
}

float HnswIndex::doubt(const Hit& hit) const {
  return space_->doubt(scratch().query, hit.slot, hit.distance);
}

Status HnswIndex::search_explain(std::span<const float> query, const SearchParams& params,
                                 const SlotFilter& filter, Explain& explain) const {
  TRY(check_dimension(query));
  explain.hits.clear();
  explain.exhausted = true;
  explain.layers = 0;
  explain.visited = explain.rejected = 0;
  explain.ef_used = params.ef == 0 ? current_ef_search() : params.ef;
  if (params.k == 0 || !space_->ready()) return {};
  WalkScratch& s = fresh_scratch();
  space_->prepare(query, s.query);
  uint32_t& ef = explain.ef_used;
  ef = std::min(std::max(ef, params.k), kPoolMax);
  for (;; ef = std::min(ef * 2, kPoolMax)) {
    with_blocks(s.query, [&](const auto& blocks) { run_search(blocks, params, filter, explain); });
    if (!s.damage.ok()) return std::move(s.damage);
    const bool admitted = filter.selective() && filter.members() == nullptr;
    const Pool& found = filter.selective() ? s.admitted : s.pool;
    TRY(collect(found, params.k, admitted ? nullptr : &filter, explain.hits));
    // A full pool may hide admitted points behind refused ones: look again with a larger one.
    if (admitted || explain.hits.size() == params.k || !found.full() || !explain.exhausted ||
        ef == kPoolMax) {
      break;
    }
  }
  explain.rejected = s.rejected;
  return {};
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

Status HnswIndex::scan_members(std::span<const float> query, uint32_t k, const SlotSet& members,
                               const SlotFilter& filter, std::vector<Hit>& hits) const {
  TRY(check_dimension(query));
  hits.clear();
  if (k == 0 || !space_->ready()) return {};
  WalkScratch& s = fresh_scratch();
  space_->prepare(query, s.query);
  if (space_->bits() < kScanBitsMin) {
    std::vector<Slot> slots;
    members.for_each([&](Slot slot) { slots.push_back(slot); });
    return scan_slots(vectors_, s.query.full, slots, k, filter, hits);
  }
  const uint32_t times = space_->bits() < kScanBitsSure ? kScanSpareShareUnsure : kScanSpareShare;
  const uint32_t spare = space_->exact() ? 0 : std::min(times * k, kScanSpareMax);
  MemberScan(*space_, s, filter, k, spare).run(members);
  if (!s.damage.ok()) return std::move(s.damage);
  return collect(s.pool, k, nullptr, hits);
}

uint64_t HnswIndex::audit_some(Slot* next, uint32_t slots) const {
  const Slot all = graph_->view().slots;
  const Slot end = *next < all ? *next + std::min(slots, all - *next) : all;
  uint64_t unreachable = 0;
  for (Slot slot = *next; slot < end; ++slot)
    unreachable += !graph_->anchored(slot);
  *next = end == all ? 0 : end;
  return unreachable;
}

IndexStats HnswIndex::audit() const {
  IndexStats stats;
  stats.points = graph_->header().points;
  stats.layers = layers(graph_->view());
  stats.unreachable = graph_->unreachable();
  return stats;
}

}  // namespace ferres
