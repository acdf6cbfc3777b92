// See operand.h.
#include "filter/operand.h"

namespace ferres {
namespace {

bool equals_array(const Operand& operand, const JsonView& value) {
  size_t count = 0;
  const bool differs = value.any_element([&](const JsonView& element) {
    const size_t i = count++;
    return i >= operand.elements.size() || !equals(operand.elements[i], element);
  });
  return !differs && count == operand.elements.size();
}

bool equals_object(const Operand& operand, const JsonView& value) {
  size_t count = 0;
  const bool differs = value.any_member([&](std::string_view name, const JsonView& member) {
    const Operand* const wanted = operand.member(name);
    ++count;
    return wanted == nullptr || !equals(*wanted, member);
  });
  return !differs && count == operand.names.size();
}

}  // namespace

const Operand* Operand::member(std::string_view name) const {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return &elements[i];
  }
  return nullptr;
}

bool equals(const Operand& operand, const JsonView& value) {
  if (operand.type != value.type()) return false;
  switch (operand.type) {
    case JsonType::kNull:
      return true;
    case JsonType::kBool:
      return operand.boolean == value.boolean();
    case JsonType::kNumber:
      return compare(operand.number, value.number()) == 0;
    case JsonType::kString: {
      std::string scratch;
      return operand.text == value.string(scratch);
    }
    case JsonType::kArray:
      return equals_array(operand, value);
    case JsonType::kObject:
      return equals_object(operand, value);
    default:
      return false;
  }
}

}  // namespace ferres
