// Over all rows of the registry and both metrics: errors of codes, distances against those of the
// decoded vectors, extreme vectors, parameters, and the same bytes on every instruction set.
#include "quant/quantizer.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quant/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kSeed = 34;

/// What a row must keep: the relative squared error of decoded vectors at 768 dimensions, and how
/// fine its queries are (steps from zero to the largest component).
struct Promise {
  double error;
  double query_steps;
};
const std::map<std::string, Promise, std::less<>> kPromises = {
    {"lvq4", {1.6e-2, 127}},     {"lvq8", {6e-5, 3000}},      {"polar1", {1.2, 1e6}},
    {"polar2", {0.32, 1e6}},     {"polar3", {8.5e-2, 1e6}},   {"polar4", {2.1e-2, 1e6}},
    {"polar5", {5.2e-3, 1e6}},   {"polar6", {1.3e-3, 1e6}},   {"polar7", {3.2e-4, 1e6}},
    {"polar8", {8e-5, 1e6}},     {"rabitq1", {0.6, 127}},     {"rabitq2", {0.14, 127}},
    {"rabitq3", {3.9e-2, 127}},  {"rabitq4", {1.12e-2, 127}}, {"rabitq5", {3.2e-3, 3000}},
    {"rabitq6", {8.5e-4, 3000}}, {"rabitq7", {2.3e-4, 3000}}, {"rabitq8", {6.5e-5, 3000}},
    {"sq8", {1e-3, 3000}},
};

struct Case {
  QuantizerSpec spec;
  CodeMetric metric;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const QuantizerSpec& spec : known_quantizers()) {
    all.push_back({spec, CodeMetric::kL2});
    all.push_back({spec, CodeMetric::kDot});
  }
  return all;
}

std::unique_ptr<Quantizer> make(const Case& c, uint32_t dim) {
  auto made = create_quantizer(c.spec, c.metric, dim);
  EXPECT_TRUE(made.ok());
  return std::move(*made);
}

/// With what it learnt from normal vectors of length `scale` * sqrt(dim).
std::unique_ptr<Quantizer> trained(const Case& c, uint32_t dim, float scale = 1) {
  auto quantizer = make(c, dim);
  if (!quantizer->needs_training()) return quantizer;
  Random random(kSeed + 1);
  std::vector<float> rows;
  for (int i = 0; i < 1000; ++i) {
    const Floats v = normals(dim, scale, random);
    rows.insert(rows.end(), v.data(), v.data() + dim);
  }
  quantizer->train(rows);
  return quantizer;
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const auto made = create_quantizer(info.param.spec, info.param.metric, 16);
  return std::string((*made)->name()) + (info.param.metric == CodeMetric::kL2 ? "L2" : "Dot");
}

class QuantizerTest : public testing::TestWithParam<Case> {};

/// Codes of one quantizer, each on a line of its own with garbage behind it.
class Coded {
 public:
  Coded(const Quantizer& quantizer, const std::vector<Floats>& vectors, Random& random)
      : stride_((quantizer.code_bytes() + 63) / 64 * 64), memory_(vectors.size() * stride_) {
    for (size_t i = 0; i < memory_.size(); ++i)
      memory_[i] = static_cast<std::byte>(random.below(256));
    for (size_t i = 0; i < vectors.size(); ++i) {
      std::byte* const code = memory_.data() + i * stride_;
      const std::vector<std::byte> behind(code + quantizer.code_bytes(), code + stride_);
      quantizer.encode(vectors[i].data(), code);
      EXPECT_EQ(std::vector<std::byte>(code + quantizer.code_bytes(), code + stride_), behind)
          << quantizer.name() << " wrote beyond its code";
      pointers_.push_back(code);
      Floats decoded(quantizer.dim());
      quantizer.decode(code, decoded.data());
      decoded_.push_back(std::move(decoded));
    }
  }
  const std::byte* const* codes() const { return pointers_.data(); }
  size_t size() const { return pointers_.size(); }
  const Floats& decoded(size_t i) const { return decoded_[i]; }
  std::vector<std::byte> bytes(size_t i, uint32_t count) const {
    return {pointers_[i], pointers_[i] + count};
  }

 private:
  size_t stride_;
  AlignedVector<std::byte> memory_;
  std::vector<const std::byte*> pointers_;
  std::vector<Floats> decoded_;
};

std::vector<Floats> many_normals(size_t count, uint32_t dim, float scale, Random& random) {
  std::vector<Floats> all;
  for (size_t i = 0; i < count; ++i)
    all.push_back(normals(dim, scale, random));
  return all;
}

CodeQuery prepared_query(const Quantizer& quantizer, const Floats& query) {
  CodeQuery prepared;
  prepared.values.resize(query.size());
  std::memcpy(prepared.values.data(), query.data(), query.size() * sizeof(float));
  quantizer.prepare(prepared);
  return prepared;
}
std::vector<float> distances_of(const Quantizer& quantizer, const Floats& query,
                                const Coded& coded) {
  const CodeQuery prepared = prepared_query(quantizer, query);
  std::vector<float> out(coded.size());
  quantizer.distances(prepared, coded.codes(), coded.size(), out.data());
  return out;
}

TEST_P(QuantizerTest, ItsNameIsKnownAndItsErrorsAreAsPromised) {
  const auto quantizer = trained(GetParam(), 768);
  const auto promise = kPromises.find(quantizer->name());
  ASSERT_NE(promise, kPromises.end()) << quantizer->name() << " has no row in this test";
  Random random(kSeed);
  const std::vector<Floats> vectors = many_normals(100, 768, 1, random);
  const Coded coded(*quantizer, vectors, random);
  double error = 0;
  double squared = 0;
  for (size_t i = 0; i < vectors.size(); ++i) {
    error += exact_l2(vectors[i], coded.decoded(i));
    squared += exact_dot(vectors[i], vectors[i]);
  }
  EXPECT_LT(error / squared, promise->second.error);
  EXPECT_GT(error / squared, promise->second.error / 2) << "the promise is too weak";
}

/// `got` is the distance from a to what stands for `decoded`: its squared length may be that of the
/// vector before (kept in the code) or after, or less by that of the error.
void expect_distance(CodeMetric metric, float got, const Floats& a, const Floats& original,
                     const Floats& decoded, double bound) {
  const double product = exact_dot(a, decoded);
  if (metric == CodeMetric::kDot) {
    EXPECT_NEAR(got, -product, bound);
    return;
  }
  const double before = exact_dot(original, original);
  const double after = exact_dot(decoded, decoded);
  const double length = got - exact_dot(a, a) + 2 * product;
  EXPECT_GE(length, std::min(before, after) - exact_l2(original, decoded) - 2 * bound);
  EXPECT_LE(length, std::max(before, after) + 2 * bound);
}

TEST_P(QuantizerTest, DistancesAreThoseOfTheDecodedVectors) {
  Random random(kSeed);
  for (const uint32_t dim : {16u, 32u, 48u, 112u, 128u, 384u, 400u, 768u, 4096u}) {
    const auto quantizer = trained(GetParam(), dim);
    const double steps = kPromises.find(quantizer->name())->second.query_steps;
    const std::vector<Floats> vectors = many_normals(70, dim, 1, random);
    const Coded coded(*quantizer, vectors, random);
    const Floats query = normals(dim, 1, random);
    double most = 0;
    for (uint32_t i = 0; i < dim; ++i)
      most = std::max(most, double{std::fabs(query[i])});
    const std::vector<float> got = distances_of(*quantizer, query, coded);
    for (size_t i = 0; i < coded.size(); ++i) {
      // Each component of the query is off by at most half a step: six deviations of that, and what
      // floats round.
      const double length = exact_norm(coded.decoded(i));
      const double bound = length * (6 * 0.29 * most / steps + 2e-6 * (exact_norm(query) + length));
      expect_distance(GetParam().metric, got[i], query, vectors[i], coded.decoded(i), bound);
    }
    if (HasFailure()) FAIL() << "dim " << dim;
  }
}

TEST_P(QuantizerTest, DistancesBetweenCodesAreThoseOfTheDecodedVectors) {
  Random random(kSeed);
  for (const uint32_t dim : {16u, 48u, 112u, 384u, 400u, 768u, 4096u}) {
    const auto quantizer = trained(GetParam(), dim);
    const std::vector<Floats> vectors = many_normals(70, dim, 1, random);
    const Coded coded(*quantizer, vectors, random);
    std::vector<float> got(coded.size());
    quantizer->distances_between(coded.codes()[0], coded.codes(), coded.size(), got.data());
    const double own_before = exact_dot(vectors[0], vectors[0]);
    const double own_after = exact_dot(coded.decoded(0), coded.decoded(0));
    for (size_t i = 0; i < coded.size(); ++i) {
      const double product = exact_dot(coded.decoded(0), coded.decoded(i));
      const double bound = 2e-4 * (own_after + exact_dot(coded.decoded(i), coded.decoded(i)));
      if (GetParam().metric == CodeMetric::kDot) {
        EXPECT_NEAR(got[i], -product, bound);
        continue;
      }
      const double before = exact_dot(vectors[i], vectors[i]);
      const double after = exact_dot(coded.decoded(i), coded.decoded(i));
      const double lengths = got[i] + 2 * product;
      const double errors =
          exact_l2(vectors[0], coded.decoded(0)) + exact_l2(vectors[i], coded.decoded(i));
      EXPECT_GE(lengths,
                std::min(own_before, own_after) + std::min(before, after) - errors - bound);
      EXPECT_LE(lengths, std::max(own_before, own_after) + std::max(before, after) + bound);
    }
    if (HasFailure()) FAIL() << "dim " << dim;
  }
}

TEST_P(QuantizerTest, AResultDoesNotDependOnItsBatchOrOnEarlierUsesOfTheQuery) {
  Random random(kSeed);
  CodeQuery reused;  // as a thread keeps it
  for (const uint32_t dim : {768u, 16u, 400u, 48u, 112u}) {
    const auto quantizer = trained(GetParam(), dim);
    const Coded coded(*quantizer, many_normals(131, dim, 1, random), random);
    const Floats query = normals(dim, 1, random);
    const std::vector<float> all = distances_of(*quantizer, query, coded);
    reused.values.resize(dim);
    std::memcpy(reused.values.data(), query.data(), dim * sizeof(float));
    quantizer->prepare(reused);
    for (size_t i = 0; i < coded.size(); ++i) {
      float one = -1;
      quantizer->distances(reused, coded.codes() + i, 1, &one);
      ASSERT_EQ(one, all[i]) << "dim " << dim << " code " << i;
    }
  }
}

TEST_P(QuantizerTest, CodesAndDistancesHaveTheSameBitsOnEveryIsa) {
  for (const uint32_t dim : {16u, 112u, 384u, 784u}) {
    std::vector<std::vector<std::byte>> first_codes;
    std::vector<float> first_distances;
    std::vector<float> first_between;
    on_every_isa([&](std::string_view isa) {
      Random random(kSeed);
      const auto quantizer = trained(GetParam(), dim);
      const Coded coded(*quantizer, many_normals(20, dim, 1, random), random);
      const Floats query = normals(dim, 1, random);
      const std::vector<float> distances = distances_of(*quantizer, query, coded);
      std::vector<float> between(coded.size());
      quantizer->distances_between(coded.codes()[3], coded.codes(), coded.size(), between.data());
      std::vector<std::vector<std::byte>> codes;
      for (size_t i = 0; i < coded.size(); ++i)
        codes.push_back(coded.bytes(i, quantizer->code_bytes()));
      if (first_codes.empty()) {
        first_codes = codes;
        first_distances = distances;
        first_between = between;
      }
      EXPECT_EQ(codes, first_codes) << isa << " dim " << dim;
      EXPECT_EQ(distances, first_distances) << isa << " dim " << dim;
      EXPECT_EQ(between, first_between) << isa << " dim " << dim;
    });
  }
}

std::vector<Floats> extremes(uint32_t dim) {
  Random random(kSeed);
  std::vector<Floats> all;
  all.emplace_back(dim);
  for (const float value : {1e-45f, 1e-40f, 1e-30f, 1e-19f, 1e10f, 1e15f, 1e19f, 1e30f,
                            std::numeric_limits<float>::max()}) {
    Floats constant(dim);
    Floats single(dim);
    for (uint32_t i = 0; i < dim; ++i)
      constant[i] = value;
    single[dim / 2] = -value;
    all.push_back(std::move(constant));
    all.push_back(std::move(single));
    all.push_back(normals(dim, value > 1e30f ? 1e37f : value, random));
  }
  return all;
}

TEST_P(QuantizerTest, ExtremeVectorsAreNeverNan) {
  for (const uint32_t dim : {16u, 384u, 4096u}) {
    const auto quantizer = trained(GetParam(), dim);
    const std::vector<Floats> vectors = extremes(dim);
    Random random(kSeed);
    const Coded coded(*quantizer, vectors, random);
    for (size_t i = 0; i < vectors.size(); ++i) {
      const std::vector<float> got = distances_of(*quantizer, vectors[i], coded);
      const CodeQuery query = prepared_query(*quantizer, vectors[i]);
      std::vector<float> between(coded.size());
      quantizer->distances_between(coded.codes()[i], coded.codes(), coded.size(), between.data());
      std::vector<float> bounds(coded.size());
      quantizer->bounds(query, coded.codes(), coded.size(), bounds.data());
      for (size_t j = 0; j < vectors.size(); ++j) {
        EXPECT_FALSE(std::isnan(got[j])) << "dim " << dim << " query " << i << " code " << j;
        EXPECT_FALSE(std::isnan(between[j])) << "dim " << dim << " from " << i << " to " << j;
        EXPECT_FALSE(std::isnan(bounds[j])) << "dim " << dim << " query " << i << " code " << j;
        EXPECT_GE(quantizer->deviation(query, coded.codes()[j], got[j]), 0)
            << "dim " << dim << " query " << i << " code " << j;
      }
      for (uint32_t k = 0; k < dim; ++k)
        ASSERT_FALSE(std::isnan(coded.decoded(i)[k])) << "dim " << dim << " vector " << i;
    }
  }
}

TEST_P(QuantizerTest, LengthsFromTinyToLargeAreAllAlike) {
  // The promise of `error` holds at any scale that a training has seen.
  for (const float scale : {1e-15f, 1e-6f, 1e6f, 1e12f}) {
    const auto quantizer = trained(GetParam(), 768, scale);
    const double error = kPromises.find(quantizer->name())->second.error;
    Random random(kSeed);
    const std::vector<Floats> vectors = many_normals(20, 768, scale, random);
    const Coded coded(*quantizer, vectors, random);
    const Floats query = normals(768, scale, random);
    const std::vector<float> got = distances_of(*quantizer, query, coded);
    double errors = 0;
    for (size_t i = 0; i < vectors.size(); ++i) {
      const double squared = exact_dot(vectors[i], vectors[i]);
      errors += exact_l2(vectors[i], coded.decoded(i)) / squared;
      const double exact = GetParam().metric == CodeMetric::kL2 ? exact_l2(query, vectors[i])
                                                                : -exact_dot(query, vectors[i]);
      const double bound = squared * (1.5 * error + 20 * std::sqrt(error / 768) + 1e-3);
      EXPECT_NEAR(got[i], exact, bound) << scale;
    }
    EXPECT_LT(errors, 1.5 * error * static_cast<double>(vectors.size())) << scale;
  }
}

TEST_P(QuantizerTest, DeviationsAreThoseOfTheErrors) {
  Random random(kSeed);
  for (const uint32_t dim : {112u, 768u}) {
    const auto quantizer = trained(GetParam(), dim);
    for (const float near : {0.0f, 1.0f}) {
      double squared = 0;
      int large = 0;
      int below = 0;
      constexpr int kCount = 600;
      for (int i = 0; i < kCount; ++i) {
        CodeQuery query;
        query.values = normals(dim, 0.7f, random);
        quantizer->prepare(query);
        std::vector<Floats> vectors = many_normals(1, dim, 0.7f, random);
        for (uint32_t j = 0; j < dim; ++j)
          vectors[0][j] += near * query.values[j];
        const Coded coded(*quantizer, vectors, random);
        float got = 0;
        quantizer->distances(query, coded.codes(), 1, &got);
        const double exact = GetParam().metric == CodeMetric::kL2
                                 ? exact_l2(query.values, vectors[0])
                                 : -exact_dot(query.values, vectors[0]);
        const double miss = (got - exact) / quantizer->deviation(query, coded.codes()[0], got);
        squared += miss * miss;
        large += std::fabs(miss) > 3 ? 1 : 0;
        float bound = 0;
        quantizer->bounds(query, coded.codes(), 1, &bound);
        EXPECT_LT(bound, got);
        below += exact < bound ? 1 : 0;
      }
      EXPECT_LT(below, kCount / 50) << "dim " << dim << " near " << near;
      EXPECT_LT(std::sqrt(squared / kCount), 1.2) << "dim " << dim << " near " << near;
      EXPECT_GT(std::sqrt(squared / kCount), 0.5) << "dim " << dim << " near " << near;
      EXPECT_LT(large, kCount / 50) << "dim " << dim << " near " << near;
    }
  }
}

TEST_P(QuantizerTest, ParametersComeBack) {
  Random random(kSeed);
  const auto learnt = trained(GetParam(), 112);
  const auto told = make(GetParam(), 112);
  const std::string parameters = learnt->parameters();
  EXPECT_EQ(learnt->needs_training(), !parameters.empty());
  ASSERT_TRUE(told->set_parameters(parameters).ok());
  EXPECT_EQ(told->parameters(), parameters);
  const std::vector<Floats> vectors = many_normals(5, 112, 1, random);
  const Coded a(*learnt, vectors, random);
  const Coded b(*told, vectors, random);
  for (size_t i = 0; i < vectors.size(); ++i)
    EXPECT_EQ(a.bytes(i, learnt->code_bytes()), b.bytes(i, told->code_bytes()));
  EXPECT_EQ(distances_of(*learnt, vectors[1], a), distances_of(*told, vectors[1], b));
}

TEST_P(QuantizerTest, ForeignParametersAreCorruption) {
  const auto quantizer = trained(GetParam(), 112);
  const std::string own = quantizer->parameters();
  std::vector<std::string> foreign = {own + "x", "no parameters at all"};
  if (!own.empty()) {
    foreign.insert(foreign.end(), {own.substr(1), own.substr(0, own.size() - 4)});
    foreign.push_back(trained(GetParam(), 128)->parameters());
    foreign.push_back(std::string());
    std::string nan = own;
    std::memset(nan.data() + nan.size() - 4, 0xFF, 4);
    foreign.push_back(nan);
  }
  for (const std::string& bytes : foreign)
    EXPECT_EQ(quantizer->set_parameters(bytes).code(), Code::kCorruption) << bytes.size();
  EXPECT_EQ(quantizer->parameters(), own);
}

TEST_P(QuantizerTest, IsUsableBeforeTraining) {
  Random random(kSeed);
  const auto quantizer = make(GetParam(), 64);
  quantizer->train({});
  const Coded coded(*quantizer, many_normals(4, 64, 0.1f, random), random);
  for (const float distance : distances_of(*quantizer, normals(64, 0.1f, random), coded))
    EXPECT_TRUE(std::isfinite(distance));
}

INSTANTIATE_TEST_SUITE_P(Registry, QuantizerTest, testing::ValuesIn(cases()), case_name);

TEST(Registry, AnUnknownKindNamesThoseThatAre) {
  QuantizerSpec spec;
  spec.kind = "product";
  const auto made = create_quantizer(spec, CodeMetric::kL2, 128);
  ASSERT_EQ(made.error().code(), Code::kInvalidArgument);
  EXPECT_NE(made.error().message().find("rabitq"), std::string_view::npos);
}

TEST(Registry, RefusesBitsAndDimensionsThatThereAreNot) {
  for (const QuantizerSpec& known : known_quantizers()) {
    for (const uint32_t bits : {0u, 9u, 32u}) {
      QuantizerSpec spec = known;
      spec.bits = bits;
      EXPECT_EQ(create_quantizer(spec, CodeMetric::kL2, 128).error().code(),
                Code::kInvalidArgument);
    }
    for (const uint32_t dim : {0u, 15u, 100u, 4112u}) {
      EXPECT_EQ(create_quantizer(known, CodeMetric::kL2, dim).error().code(),
                Code::kInvalidArgument);
    }
  }
}

}  // namespace
}  // namespace ferres
