// What a filter compares with: a JSON value taken out of the filter's text, and its equality with a
// value of a document. Immutable once built, so any thread may compare.
#pragma once
#include <string>
#include <vector>

#include "filter/json_view.h"

namespace ferres {

struct Operand {
  JsonType type = JsonType::kNull;
  bool boolean = false;
  JsonNumber number;
  std::string text;
  std::vector<Operand> elements;
  std::vector<std::string> names;  // of an object's members, distinct; elements holds their values

  /// Null when this is no object or has no such member.
  const Operand* member(std::string_view name) const;
};

std::string to_json(const Operand& operand);
/// JSON equality: numbers by value, objects whatever the order of their members.
bool equals(const Operand& operand, const JsonView& value);

}  // namespace ferres
