// What lock-free reading of neighbour blocks costs a search: the same walk over the same graph with
// plain loads (wrong beside a writer: the base line), with the sequence counter in the block (what
// GraphView does), and through a slot-to-block table. Schemes alternate; the median counts. The
// result is docs/decisions/001.
//   reader_price DATA_SET_FOLDER [ROUNDS]
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/epoch.h"
#include "base/files.h"
#include "index/hnsw.h"
#include "index/hnsw_walk.h"
#include "index/shared_word.h"
#include "measure.h"
#include "npy.h"
#include "storage/page_store.h"

namespace ferres::bench {
namespace {

/// Blocks without any protection.
struct UnprotectedBlocks : GraphView {
  explicit UnprotectedBlocks(const GraphView& view) : GraphView(view) {}
  bool filters() const { return false; }

  uint32_t unmet(Slot slot, const LaneLimit&, WalkScratch& s, Slot slots) const {
    return static_cast<uint32_t>(s.visited.meet_all(s.ids, read(slot, s.ids), slots, s.batch));
  }
  uint32_t read(Slot slot, Slot* ids) const {
    const std::byte* const at = block(slot);
    if (at == nullptr) return 0;
    return copy(at, 2 * m, ids);
  }
  static uint32_t copy(const std::byte* at, uint32_t lanes, Slot* ids) {
    const auto& head = *reinterpret_cast<const BlockHead*>(at);
    const auto* const words = reinterpret_cast<const uint32_t*>(at + sizeof(BlockHead));
    const uint32_t degree = std::min(head.degree, lanes);
    for (uint32_t i = 0; i < degree; ++i)
      ids[i] = words[i] & kSlotMask;
    return degree;
  }
};

/// Base blocks found through a table that a writer would redirect to a spare block.
struct TableBlocks : GraphView {
  TableBlocks(const GraphView& view, const std::vector<uint32_t>& table)
      : GraphView(view), table_(table.data()) {}
  bool filters() const { return false; }

  uint32_t unmet(Slot slot, const LaneLimit&, WalkScratch& s, Slot slots) const {
    return static_cast<uint32_t>(s.visited.meet_all(s.ids, read(slot, s.ids), slots, s.batch));
  }
  uint32_t read(Slot slot, Slot* ids) const {
    if (slot >= slots) return 0;
    const std::byte* const at = block(load_shared(table_ + slot));
    return at == nullptr ? 0 : UnprotectedBlocks::copy(at, 2 * m, ids);
  }
  void prefetch(Slot slot) const {
    if (slot < slots) GraphView::prefetch(load_shared(table_ + slot));
  }

 private:
  const uint32_t* table_;
};

struct Bench {
  std::unique_ptr<PageStore> points;
  std::unique_ptr<PageStore> links;
  std::unique_ptr<VectorStore> vectors;
  std::unique_ptr<ANNIndex> index;
};

Result<Bench> build(const std::string& dir, const Matrix<float>& base) {
  Bench bench;
  StoreManifest manifest;
  manifest.family = "points";
  TRY_ASSIGN(bench.points, PageStore::open(posix_files(), dir, manifest));
  manifest.family = "index";
  TRY_ASSIGN(bench.links, PageStore::open(posix_files(), dir, manifest));
  TRY_ASSIGN(bench.vectors, VectorStore::open(*bench.points, 1, Metric::kCosine,
                                              static_cast<uint32_t>(base.columns)));
  TRY_ASSIGN(bench.index, create_ann_index({}, *bench.vectors, *bench.links, 1));
  const EpochGuard guard;
  for (size_t i = 0; i < base.rows; ++i) {
    TRY(bench.vectors->put(static_cast<Slot>(i), base.row(i)));
    TRY_ASSIGN(const auto plan, bench.index->plan_point(base.row(i)));
    TRY(bench.index->add_point(static_cast<Slot>(i), base.row(i), *plan));
  }
  return bench;
}

template <class Blocks>
double queries_per_second(const Bench& bench, const Blocks& blocks, const Matrix<float>& queries,
                          uint32_t ef) {
  static WalkScratch scratch;
  const Space& space = dynamic_cast<const HnswIndex&>(*bench.index).space();
  uint64_t sum = 0;
  const double start = thread_cpu_seconds();
  for (size_t i = 0; i < queries.rows; ++i) {
    space.prepare(queries.row(i), scratch.query);
    Walk walk(space, blocks, scratch);
    walk.enter();
    walk.run(ef);
    sum += scratch.pool.slot(0);
  }
  const double seconds = thread_cpu_seconds() - start;
  const volatile uint64_t sink = sum;
  static_cast<void>(sink);
  return static_cast<double>(queries.rows) / seconds;
}

Status run(const std::string& data, int rounds) {
  TRY_ASSIGN(const Matrix<float> base, read_vectors(data + "/base.npy"));
  TRY_ASSIGN(const Matrix<float> queries, read_vectors(data + "/queries.npy"));
  const std::string dir = std::filesystem::temp_directory_path() / "ferres_reader_price";
  TRY(posix_files().make_dirs(dir));
  TRY_ASSIGN(const Bench bench, build(dir, base));
  const EpochGuard guard;
  const GraphView view = dynamic_cast<const HnswIndex&>(*bench.index).graph().view();
  std::vector<uint32_t> table(view.slots);
  for (uint32_t i = 0; i < view.slots; ++i)
    table[i] = i;
  fmt::print("{:>5} {:>10} {:>16} {:>16}\n", "ef", "plain qps", "sequence", "table");
  for (const uint32_t ef : {10u, 20u, 64u, 200u}) {
    std::vector<double> plain;
    std::vector<double> sequence;
    std::vector<double> through_table;
    for (int round = 0; round < rounds; ++round) {
      plain.push_back(queries_per_second(bench, UnprotectedBlocks(view), queries, ef));
      sequence.push_back(queries_per_second(bench, PlainBlocks(view), queries, ef));
      through_table.push_back(queries_per_second(bench, TableBlocks(view, table), queries, ef));
    }
    const double base_line = percentile(plain, 0.5);
    const auto price = [&](std::vector<double>& qps) {
      const double median = percentile(qps, 0.5);
      return fmt::format("{:.0f} {:+.1f}%", median, (median / base_line - 1) * 100);
    };
    fmt::print("{:>5} {:>10.0f} {:>16} {:>16}\n", ef, base_line, price(sequence),
               price(through_table));
  }
  return posix_files().remove_tree(dir);
}

}  // namespace
}  // namespace ferres::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print("usage: reader_price DATA_SET_FOLDER [ROUNDS]\n");
    return 2;
  }
  ferres::bench::pin_thread(0);
  const ferres::Status status = ferres::bench::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 9);
  if (!status.ok()) fmt::print("{}\n", status.message());
  return status.ok() ? 0 : 1;
}
