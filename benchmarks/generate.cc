// A made vector lies between a real one and one of its near peers, moved by noise:
//
//   a + t (b - a) + noise * |b - a| * (a random direction among the differences of a's peers)
//
// Why so: an index is as hard as the local dimension of its data. Uniform or gaussian vectors have
// the full dimension, which no embedding has, and their nearest neighbours mean nothing. Copies
// with noise in every component are hundreds of tight balls, each of the full dimension again.
// Points on lines between real ones have dimension one. The differences of a vector's peers span
// the directions in which real data extends there, so noise made of them stays among real data and
// still leaves the lines. What came out is measured, not hoped for: the local dimension around the
// queries is printed beside that of the real vectors.
//
// Every piece of kPieceRows vectors has a generator of its own, seeded by its number: the same seed
// gives the same file for any number of threads. Queries are made as the vectors are, from pieces
// that no vector comes from. Vectors go to disk and to the exact search as they are made; only the
// real ones and one chunk are in memory.
#include "generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/executor.h"
#include "base/random.h"
#include "cells.h"
#include "data_set.h"
#include "exact.h"
#include "kernels/distance.h"
#include "measure.h"
#include "npy.h"

namespace ferres::bench {
namespace {

constexpr size_t kPieceRows = 1024;
constexpr size_t kChunkPieces = 16;
constexpr size_t kPeers = 16;
constexpr size_t kCellRows = 400;  // about so many real vectors a cell
constexpr uint64_t kQueryPieces = uint64_t{1} << 40;

/// Nearly normal with deviation 1, by adds and one multiplication: the same on every machine.
float normal(Random& random) {
  double sum = -2;
  for (int i = 0; i < 4; ++i)
    sum += random.unit();
  return static_cast<float>(sum * 1.7320508075688772);
}

class Maker {
 public:
  Maker(const Matrix<float>& real, const GenerateOptions& options, Executor& executor)
      : real_(real), noise_(static_cast<float>(options.noise)), seed_(options.seed) {
    const auto cells = make_cells(real, real.rows / kCellRows, options.seed, executor);
    peers_.resize(real.rows);
    executor.parallel_for(cells.size(), [&](size_t cell) { find_peers(cells[cell]); });
    for (uint32_t row = 0; row < real.rows; ++row) {
      if (peers_[row].size() == kPeers) anchors_.push_back(row);
    }
  }

  bool possible() const { return !anchors_.empty(); }

  /// Fills rows with the piece of this number.
  void make(uint64_t piece, std::span<float> rows) const {
    Random random(seed_ * 0x9E3779B97F4A7C15u + piece);
    for (size_t at = 0; at < rows.size(); at += real_.columns)
      make_one(random, rows.subspan(at, real_.columns));
  }

 private:
  /// The nearest within the cell: peers beyond its border are missed, near ones are not.
  void find_peers(const std::vector<uint32_t>& cell) {
    std::vector<const float*> rows;
    rows.reserve(cell.size());
    for (const uint32_t row : cell)
      rows.push_back(real_.row(row).data());
    std::vector<float> distances(cell.size());
    std::vector<std::pair<float, uint32_t>> order;
    for (size_t i = 0; i < cell.size(); ++i) {
      kernels().l2_squared_many(rows[i], rows.data(), rows.size(), real_.columns, distances.data());
      order.clear();
      for (size_t j = 0; j < cell.size(); ++j) {
        if (j != i && distances[j] > 0) order.emplace_back(distances[j], cell[j]);
      }
      const size_t count = std::min(kPeers, order.size());
      std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
                        order.end());
      for (size_t j = 0; j < count; ++j)
        peers_[cell[i]].push_back(order[j].second);
    }
  }

  void make_one(Random& random, std::span<float> made) const {
    const uint32_t anchor = anchors_[random.below(anchors_.size())];
    const auto from = real_.row(anchor);
    const auto& peers = peers_[anchor];
    const auto to = real_.row(peers[random.below(kPeers)]);
    // Weights that sum to zero: the directions are those between peers, not towards all of them.
    std::vector<float> weights(kPeers);
    for (float& weight : weights)
      weight = normal(random);
    const float mean = std::accumulate(weights.begin(), weights.end(), 0.0f) / kPeers;
    std::fill(made.begin(), made.end(), 0.0f);
    for (size_t j = 0; j < kPeers; ++j) {
      const auto peer = real_.row(peers[j]);
      for (size_t i = 0; i < made.size(); ++i)
        made[i] += (weights[j] - mean) * peer[i];
    }
    const size_t dim = made.size();
    const float apart = std::sqrt(kernels().l2_squared(from.data(), to.data(), dim));
    const float length = std::sqrt(kernels().dot(made.data(), made.data(), dim));
    const float scale = length > 0 ? noise_ * apart / length : 0;
    const auto share = static_cast<float>(random.unit());
    for (size_t i = 0; i < dim; ++i)
      made[i] = from[i] + share * (to[i] - from[i]) + scale * made[i];
    // Real embeddings mostly have one length; a line between two of them cuts through the sphere.
    const float wanted = std::sqrt(kernels().dot(from.data(), from.data(), dim));
    const float now = std::sqrt(kernels().dot(made.data(), made.data(), dim));
    for (float& value : made)
      value *= now > 0 ? wanted / now : 1;
  }

  const Matrix<float>& real_;
  const float noise_;
  const uint64_t seed_;
  std::vector<std::vector<uint32_t>> peers_;
  std::vector<uint32_t> anchors_;  // rows with all their peers
};

Matrix<float> make_queries(const Maker& maker, size_t count, size_t columns) {
  Matrix<float> queries{count, columns, {}};
  queries.values.resize(count * columns);
  const size_t piece = kPieceRows * columns;
  for (size_t at = 0, number = 0; at < queries.values.size(); at += piece, ++number) {
    const size_t values = std::min(piece, queries.values.size() - at);
    maker.make(kQueryPieces + number, std::span(queries.values).subspan(at, values));
  }
  return queries;
}

void offer(ExactSearch& exact, std::span<const float> rows, size_t columns, size_t first) {
  std::vector<const float*> addresses;
  std::vector<int32_t> ids;
  for (size_t at = 0; at < rows.size(); at += columns) {
    addresses.push_back(rows.data() + at);
    ids.push_back(static_cast<int32_t>(first + ids.size()));
  }
  exact.add(addresses, ids);
}

/// Of as many real vectors as there are queries, among all.
double real_dimension(Metric metric, const Matrix<float>& real, const GenerateOptions& options,
                      Executor& executor) {
  const size_t count = std::min(options.queries_count, real.rows);
  Matrix<float> sample{count, real.columns, {}};
  const size_t step = real.rows / count;
  for (size_t i = 0; i < count; ++i) {
    const auto row = real.row(i * step);
    sample.values.insert(sample.values.end(), row.begin(), row.end());
  }
  ExactSearch exact(metric, sample, options.k, executor);
  offer(exact, real.values, real.columns, 0);
  return exact.local_dimension();
}

Status write_matrix(const std::string& path, const char* type, size_t rows, auto values) {
  TRY_ASSIGN(NpyWriter writer, NpyWriter::create(path, rows, values.size() / rows, type));
  TRY(writer.write(values));
  return writer.close();
}

}  // namespace

Status run_generate(const GenerateOptions& options) {
  TRY_ASSIGN(const Metric metric, metric_of(options.metric));
  if (options.count == 0 || options.count > INT32_MAX || options.queries_count == 0 ||
      options.k == 0 || options.k > options.count || options.threads == 0) {
    return {Code::kInvalidArgument,
            "count, queries-count, k, threads: at least 1; k at most count; count below 2^31"};
  }
  TRY_ASSIGN(const Matrix<float> real, read_vectors(options.base));
  const auto executor = make_thread_pool(options.threads);
  const double start = wall_seconds();
  const Maker maker(real, options, *executor);
  if (!maker.possible()) {
    return {Code::kInvalidArgument, options.base + ": too few vectors that differ"};
  }
  const Matrix<float> queries = make_queries(maker, options.queries_count, real.columns);
  ExactSearch exact(metric, queries, options.k, *executor);
  TRY_ASSIGN(NpyWriter writer, NpyWriter::create(options.out, options.count, real.columns, "<f4"));
  std::vector<float> chunk;
  for (size_t done = 0; done < options.count; done += kPieceRows * kChunkPieces) {
    const size_t rows = std::min(kPieceRows * kChunkPieces, options.count - done);
    chunk.resize(rows * real.columns);
    executor->parallel_for((rows + kPieceRows - 1) / kPieceRows, [&](size_t piece) {
      const size_t first = piece * kPieceRows;
      const size_t count = std::min(kPieceRows, rows - first);
      maker.make(done / kPieceRows + piece,
                 std::span(chunk).subspan(first * real.columns, count * real.columns));
    });
    TRY(writer.write(std::span<const float>(chunk)));
    offer(exact, chunk, real.columns, done);
  }
  TRY(writer.close());
  TRY(write_matrix(options.queries, "<f4", queries.rows, std::span<const float>(queries.values)));
  const std::vector<int32_t> truth = exact.nearest();
  TRY(write_matrix(options.truth, "<i4", queries.rows, std::span<const int32_t>(truth)));
  fmt::print("made {} vectors in {:.1f} s\nlocal dimension: {:.1f}, of the real ones: {:.1f}\n",
             options.count, wall_seconds() - start, exact.local_dimension(),
             real_dimension(metric, real, options, *executor));
  return {};
}

}  // namespace ferres::bench
