// A collection without an index: points in a map, filters evaluated on values in memory
// (filter/test_filter.h), scores in double. What a real one is compared with.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "collection/collection.h"
#include "filter/test_filter.h"

namespace ferres {

class BruteForce {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, id

  struct Stored {
    PointInput input;
    naive::Json document;
    uint64_t expires_micros = ~uint64_t{0};
    // What the last question makes of it.
    uint64_t matched_by = 0;
    double score = 0;  // not a number: no search may answer it
  };
  struct Question {
    const naive::Json* filter = nullptr;
    std::string ns;  // empty: any
    std::vector<float> vector;
    const Stored* excluded = nullptr;
    uint64_t now_micros = 0;
  };
  struct Answer {
    uint64_t visible = 0;  // of the namespace, whatever the filter says
    uint64_t matches = 0;
    std::vector<double> scores;  // of what a search may answer, ascending
  };

  explicit BruteForce(Metric metric) : metric_(metric) {}

  void put(Stored stored) {
    const Key key{stored.input.ns.value_or(""), stored.input.id};
    points_.insert_or_assign(key, std::move(stored));
  }
  void remove(const Key& key) { points_.erase(key); }
  const Stored* find(const Key& key) const {
    const auto found = points_.find(key);
    return found == points_.end() ? nullptr : &found->second;
  }
  /// Whether it is an answer to the last question.
  bool matches(const Stored& stored) const { return stored.matched_by == questions_; }

  Answer ask(const Question& question) {
    ++questions_;
    Answer answer;
    for (auto& [key, stored] : points_) {
      if (question.now_micros >= stored.expires_micros) continue;
      if (!question.ns.empty() && key.first != question.ns) continue;
      ++answer.visible;
      if (!naive::filter_holds(*question.filter, stored.document)) continue;
      ++answer.matches;
      stored.matched_by = questions_;
      stored.score = std::numeric_limits<double>::quiet_NaN();
      if (&stored == question.excluded || stored.input.vector.empty()) continue;
      stored.score = score(question.vector, stored.input.vector);
      answer.scores.push_back(stored.score);
    }
    std::sort(answer.scores.begin(), answer.scores.end());
    return answer;
  }

 private:
  double score(const std::vector<float>& a, const std::vector<float>& b) const {
    double dot = 0;
    double squares_a = 0;
    double squares_b = 0;
    double apart = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      dot += double{a[i]} * b[i];
      squares_a += double{a[i]} * a[i];
      squares_b += double{b[i]} * b[i];
      apart += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    }
    if (metric_ == Metric::kEuclidean) return std::sqrt(apart);
    return 1 - (metric_ == Metric::kDot ? dot : dot / std::sqrt(squares_a * squares_b));
  }

  Metric metric_;
  std::map<Key, Stored> points_;
  uint64_t questions_ = 0;
};

}  // namespace ferres
