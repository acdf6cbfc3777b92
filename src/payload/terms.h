// From a point's metadata to the terms under which the payload index keeps its slot: for every
// field one term a value (and one an element of an array), and marks for what values do not tell.
// Follows the meaning of a field's name in filter/operators.h: names joined by dots lead into
// objects, and arrays on the way stand for the objects in them.
//
// A document is irregular, and gets no terms, when that meaning cannot be told from the joined
// names alone (a name holds a dot, a name occurs twice in an object) or when it is too deep or too
// rich. One thread a collector: it keeps its buffers.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filter/json_view.h"
#include "payload/term_key.h"

namespace ferres {

class FieldNames {
 public:
  virtual ~FieldNames() = default;
  /// The field's number, or nothing when it is not indexed; then nothing inside of it is.
  virtual std::optional<uint32_t> number_of(std::string_view path) = 0;
};

class TermCollector {
 public:
  static constexpr uint32_t kLevelsMax = 32;
  static constexpr size_t kTermsMax = 4096;

  /// seed: of the hashes of strings.
  explicit TermCollector(uint64_t seed) : seed_(seed) {}

  /// Fills `terms`; false when the document is irregular.
  bool collect(std::string_view metadata_json, FieldNames& names, std::vector<TermKey>& terms);

 private:
  struct Visit {
    uint32_t field;
    bool null;
    bool array;
  };
  bool visit_object(const JsonView& object, uint32_t level);
  bool visit_member(uint32_t field, const JsonView& value, uint32_t level);
  bool visit_one(uint32_t field, const JsonView& value, uint32_t level);
  void add_marks();

  const uint64_t seed_;
  FieldNames* names_ = nullptr;
  std::vector<TermKey>* terms_ = nullptr;
  std::string path_;
  std::string scratch_;
  std::vector<Visit> visits_;
  std::vector<uint32_t> members_;  // fields of the objects on the way
};

}  // namespace ferres
