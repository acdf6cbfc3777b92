// See operand.h.
#include "filter/operand.h"

#include "json/writer.h"

namespace ferres {
namespace {

void write_number(const JsonNumber& number, JsonWriter& json) {
  switch (number.kind) {
    case JsonNumber::Kind::kSigned:
      json.integer(number.as_signed);
      break;
    case JsonNumber::Kind::kUnsigned:
      json.integer(number.as_unsigned);
      break;
    case JsonNumber::Kind::kDouble:
      json.number(number.as_double);
      break;
  }
}

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

void write(const Operand& operand, JsonWriter& json) {
  switch (operand.type) {
    case JsonType::kBool:
      json.boolean(operand.boolean);
      break;
    case JsonType::kNumber:
      write_number(operand.number, json);
      break;
    case JsonType::kString:
      json.string(operand.text);
      break;
    case JsonType::kArray:
      json.begin_array();
      for (const Operand& element : operand.elements)
        write(element, json);
      json.end_array();
      break;
    case JsonType::kObject:
      json.begin_object();
      for (size_t i = 0; i < operand.names.size(); ++i) {
        json.key(operand.names[i]);
        write(operand.elements[i], json);
      }
      json.end_object();
      break;
    default:
      json.null();
  }
}

}  // namespace

std::string to_json(const Operand& operand) {
  JsonWriter json;
  write(operand, json);
  return json.take();
}

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
