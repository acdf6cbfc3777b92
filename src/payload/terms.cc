// See terms.h.
#include "payload/terms.h"

#include <algorithm>

#include "filter/instant.h"
#include "filter/operators.h"

namespace ferres {

bool TermCollector::collect(std::string_view metadata_json, FieldNames& names,
                            std::vector<TermKey>& terms) {
  names_ = &names;
  terms_ = &terms;
  terms.clear();
  path_.clear();
  visits_.clear();
  members_.clear();
  const JsonView document(metadata_json);
  if (document.type() == JsonType::kObject && !visit_object(document, 1)) {
    terms.clear();
    return false;
  }
  add_marks();
  return true;
}

bool TermCollector::visit_object(const JsonView& object, uint32_t level) {
  const size_t outer = path_.size();
  const size_t first = members_.size();
  const bool stopped = object.any_member([&](std::string_view name, const JsonView& value) {
    if (name.find('.') != std::string_view::npos) return true;
    path_.resize(outer);
    if (level > 1) path_ += '.';
    path_ += name;
    const std::optional<uint32_t> field = names_->number_of(path_);
    if (!field) return false;
    if (std::find(members_.begin() + static_cast<ptrdiff_t>(first), members_.end(), *field) !=
        members_.end()) {
      return true;
    }
    members_.push_back(*field);
    return !visit_member(*field, value, level);
  });
  path_.resize(outer);
  members_.resize(first);
  return !stopped;
}

bool TermCollector::visit_member(uint32_t field, const JsonView& value, uint32_t level) {
  const JsonType type = value.type();
  visits_.push_back({field, type == JsonType::kNull, type == JsonType::kArray});
  if (type != JsonType::kArray) return visit_one(field, value, level);
  return !value.any_element(
      [&](const JsonView& element) { return !visit_one(field, element, level); });
}

/// The terms of a value that is not taken as an array.
bool TermCollector::visit_one(uint32_t field, const JsonView& value, uint32_t level) {
  if (terms_->size() >= kTermsMax) return false;
  switch (value.type()) {
    case JsonType::kNull:
      terms_->push_back(mark_key(field, Mark::kNull));
      return true;
    case JsonType::kBool:
      terms_->push_back(mark_key(field, value.boolean() ? Mark::kTrue : Mark::kFalse));
      return true;
    case JsonType::kNumber:
      terms_->push_back(number_key(field, value.number()));
      return true;
    case JsonType::kString: {
      const std::string_view text = value.string(scratch_);
      terms_->push_back(text_key(field, TermType::kText, text, seed_));
      if (const auto instant = parse_instant(text)) {
        terms_->push_back(instant_key(field, *instant));
      }
      return true;
    }
    case JsonType::kObject:
      if (const auto place = read_place(value)) terms_->push_back(place_key(field, *place));
      return level < kLevelsMax && visit_object(value, level + 1);
    default:
      return true;
  }
}

void TermCollector::add_marks() {
  std::sort(visits_.begin(), visits_.end(),
            [](const Visit& a, const Visit& b) { return a.field < b.field; });
  for (size_t i = 0; i < visits_.size();) {
    const uint32_t field = visits_[i].field;
    const size_t first = i;
    bool only_null = true;
    bool array = false;
    for (; i < visits_.size() && visits_[i].field == field; ++i) {
      only_null = only_null && visits_[i].null;
      array = array || visits_[i].array;
    }
    terms_->push_back(mark_key(field, Mark::kPresent));
    if (only_null) terms_->push_back(mark_key(field, Mark::kOnlyNull));
    if (array) terms_->push_back(mark_key(field, Mark::kArray));
    if (i - first > 1) terms_->push_back(mark_key(field, Mark::kSeveral));
  }
}

}  // namespace ferres
