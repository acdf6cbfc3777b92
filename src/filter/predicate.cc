// From the text of a filter to a tree of conditions (predicate.h). The text comes from a request:
// simdjson checks it whole, then the tree is built under the limits, each refusal saying where.
#include "filter/predicate.h"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

#include "filter/json_view.h"
#include "filter/operators.h"

namespace ferres {

namespace {

std::string actual_json(const std::vector<JsonView>& values) {
  if (values.empty()) return "null";
  if (values.size() == 1) return std::string(values.front().text());
  std::string list;
  for (const JsonView& value : values)
    list += (list.empty() ? "[" : ",") + std::string(value.text());
  return list + "]";
}

}  // namespace

struct Predicate::Node {
  enum class Kind : uint8_t { kAll, kAny, kNot, kField };  // kNot: not all of its children
  Kind kind = Kind::kAll;
  std::vector<Node> children;
  std::string field;
  Condition condition;

  bool matches(const JsonView& document) const {
    const auto child_matches = [&](const Node& child) { return child.matches(document); };
    switch (kind) {
      case Kind::kField:
        return holds(condition, field, document);
      case Kind::kAny:
        return std::any_of(children.begin(), children.end(), child_matches);
      case Kind::kNot:
        return !std::all_of(children.begin(), children.end(), child_matches);
      default:
        return std::all_of(children.begin(), children.end(), child_matches);
    }
  }

  void explain(const JsonView& document, std::vector<ConditionReport>& reports) const {
    if (kind == Kind::kField) {
      reports.push_back({field, condition.op->name, to_json(condition.operand),
                         actual_json(values_of(field, document)),
                         holds(condition, field, document)});
    }
    for (const Node& child : children)
      child.explain(document, reports);
  }

  uint32_t conditions() const {
    if (kind == Kind::kField) return 1;
    uint32_t sum = 0;
    for (const Node& child : children)
      sum += child.conditions();
    return sum;
  }

  Matches probe(const FilterIndex& index) const {
    if (kind == Kind::kField) return ferres::probe(condition, field, index);
    if (kind == Kind::kAny) {
      Matches any;
      for (const Node& child : children)
        any |= child.probe(index);
      return any;
    }
    Matches all = probe_all(index);
    if (kind == Kind::kNot) all.complement(index.all());
    return all;
  }

 private:
  bool bounds(const std::string& name) const {
    return kind == Kind::kField && condition.bound != Bound::kNone && field == name;
  }

  /// The children, all of them holding. Bounds of one field are asked as one range where that means
  /// the same: "$gte" and "$lt" alone would each be most of the values.
  Matches probe_all(const FilterIndex& index) const {
    std::optional<Matches> all;
    const auto add = [&](Matches matches) {
      if (all) {
        *all &= matches;
      } else {
        all = std::move(matches);
      }
    };
    std::vector<bool> done(children.size());
    for (size_t i = 0; i < children.size() && !(all && all->slots.empty()); ++i) {
      const Node& child = children[i];
      std::vector<const Condition*> together;
      if (child.bounds(child.field)) {
        for (size_t j = i; j < children.size(); ++j) {
          if (children[j].bounds(child.field) && !done[j]) {
            together.push_back(&children[j].condition);
          }
        }
      }
      std::optional<Matches> range;
      if (together.size() > 1) range = probe_range(together, child.field, index);
      if (range) {
        for (size_t j = i; j < children.size(); ++j)
          done[j] = done[j] || children[j].bounds(child.field);
        add(*std::move(range));
      } else if (!done[i]) {
        add(child.probe(index));
      }
    }
    return all ? *std::move(all) : Matches::exactly(index.all());
  }
};

namespace {

namespace dom = simdjson::dom;
using Node = Predicate::Node;

Status refuse(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

JsonNumber parse_number(dom::element json) {
  int64_t small = 0;
  if (json.get(small) == simdjson::SUCCESS) return JsonNumber::of(small);
  uint64_t large = 0;
  if (json.get(large) == simdjson::SUCCESS) return JsonNumber::of(large);
  double real = 0;
  CHECK(json.get(real) == simdjson::SUCCESS);
  return JsonNumber::of(real);
}

class Parser {
 public:
  explicit Parser(const FilterLimits& limits) : limits_(limits) {}

  /// Adds the conditions of one filter object to `into`. where: "filter", "filter.$and[0]", ...
  Status parse_filter(dom::element json, const std::string& where, uint32_t depth, Node& into);
  std::optional<std::string> take_namespace() { return std::move(namespace_); }

 private:
  Status parse_combination(Node::Kind kind, dom::element json, const std::string& where,
                           uint32_t depth, Node& into);
  Status parse_namespace(dom::element json, const std::string& where, bool top);
  Status parse_field(std::string_view field, dom::element json, const std::string& where,
                     uint32_t depth, Node& into);
  Status add_condition(const Operator& op, std::string_view field, dom::element json,
                       const std::string& where, uint32_t depth, Node& into);
  Result<Operand> parse_operand(dom::element json, uint32_t depth);
  Status count_node();
  Status check_depth(uint32_t depth) const;

  const FilterLimits& limits_;
  uint32_t nodes_ = 0;
  std::optional<std::string> namespace_;
};

Status Parser::count_node() {
  if (++nodes_ <= limits_.nodes_max) return {};
  return refuse(
      fmt::format("filter too large: max {} conditions and list elements", limits_.nodes_max));
}

Status Parser::check_depth(uint32_t depth) const {
  if (depth <= limits_.depth_max) return {};
  return refuse(fmt::format("filter too deep: max {} levels", limits_.depth_max));
}

Status Parser::parse_filter(dom::element json, const std::string& where, uint32_t depth,
                            Node& into) {
  TRY(check_depth(depth));
  dom::object object;
  if (json.get(object) != simdjson::SUCCESS) {
    return refuse(where + (depth == 1 ? " must be a JSON object or null" : " must be an object"));
  }
  for (const auto [key, value] : object) {
    const std::string inner = fmt::format("{}.{}", where, key);
    if (key == "$and") {
      TRY(parse_combination(Node::Kind::kAll, value, inner, depth + 1, into));
    } else if (key == "$or") {
      TRY(parse_combination(Node::Kind::kAny, value, inner, depth + 1, into));
    } else if (key == "$not") {
      TRY(parse_combination(Node::Kind::kNot, value, inner, depth + 1, into));
    } else if (key == "$namespace") {
      TRY(parse_namespace(value, inner, depth == 1));
    } else if (key.starts_with('$')) {
      return refuse(fmt::format("{}: unknown operator '{}'", where, key));
    } else {
      TRY(parse_field(key, value, inner, depth, into));
    }
  }
  return {};
}

Status Parser::parse_combination(Node::Kind kind, dom::element json, const std::string& where,
                                 uint32_t depth, Node& into) {
  TRY(count_node());
  TRY(check_depth(depth));
  Node node;
  node.kind = kind;
  dom::array list;
  if (json.get(list) == simdjson::SUCCESS) {
    size_t index = 0;
    for (const dom::element item : list) {
      TRY(count_node());
      Node child;
      TRY(parse_filter(item, fmt::format("{}[{}]", where, index++), depth + 1, child));
      node.children.push_back(std::move(child));
    }
  } else if (kind != Node::Kind::kNot) {
    return refuse(where + " must be an array");
  } else if (!json.is_object()) {
    return refuse(where + " must be an object or an array");
  } else {
    TRY(parse_filter(json, where, depth, node));
  }
  into.children.push_back(std::move(node));
  return {};
}

Status Parser::parse_namespace(dom::element json, const std::string& where, bool top) {
  if (!top) return refuse(where + " is only allowed at the top of a filter");
  std::string_view name;
  if (json.get(name) != simdjson::SUCCESS) return refuse(where + " must be a string");
  namespace_ = std::string(name);
  return {};
}

Status Parser::parse_field(std::string_view field, dom::element json, const std::string& where,
                           uint32_t depth, Node& into) {
  if (std::count(field.begin(), field.end(), '.') >= limits_.depth_max) {
    return refuse(fmt::format("{}: too deep: max {} levels", where, limits_.depth_max));
  }
  dom::object object;
  if (json.get(object) != simdjson::SUCCESS) {
    return add_condition(equality_operator(), field, json, where, depth + 1, into);
  }
  TRY(check_depth(depth + 1));
  for (const auto [name, operand] : object) {
    const Operator* const op = find_operator(name);
    if (op == nullptr) return refuse(fmt::format("{}: unknown operator '{}'", where, name));
    TRY(add_condition(*op, field, operand, where, depth + 2, into));
  }
  return {};
}

Status Parser::add_condition(const Operator& op, std::string_view field, dom::element json,
                             const std::string& where, uint32_t depth, Node& into) {
  Node node;
  node.kind = Node::Kind::kField;
  node.field = field;
  node.condition.op = &op;
  node.condition.negated = op.negated;
  TRY_ASSIGN(node.condition.operand, parse_operand(json, depth));
  if (const char* const wrong = op.prepare(node.condition)) {
    return refuse(fmt::format("{}: {} {}", where, op.name, wrong));
  }
  into.children.push_back(std::move(node));
  return {};
}

Result<Operand> Parser::parse_operand(dom::element json, uint32_t depth) {
  TRY(count_node());
  Operand operand;
  dom::array array;
  dom::object object;
  std::string_view text;
  if (json.get(array) == simdjson::SUCCESS) {
    operand.type = JsonType::kArray;
    TRY(check_depth(depth));
    for (const dom::element element : array) {
      TRY_ASSIGN(Operand inner, parse_operand(element, depth + 1));
      operand.elements.push_back(std::move(inner));
    }
  } else if (json.get(object) == simdjson::SUCCESS) {
    operand.type = JsonType::kObject;
    TRY(check_depth(depth));
    for (const auto [name, member] : object) {
      TRY_ASSIGN(Operand inner, parse_operand(member, depth + 1));
      if (operand.member(name) != nullptr) continue;
      operand.names.emplace_back(name);
      operand.elements.push_back(std::move(inner));
    }
  } else if (json.get(text) == simdjson::SUCCESS) {
    operand.type = JsonType::kString;
    operand.text = text;
  } else if (json.get(operand.boolean) == simdjson::SUCCESS) {
    operand.type = JsonType::kBool;
  } else if (!json.is_null()) {
    operand.type = JsonType::kNumber;
    operand.number = parse_number(json);
  }
  return operand;
}

/// What simdjson thinks of the text, in the words of a filter.
Status text_error(simdjson::error_code error, const FilterLimits& limits) {
  if (error == simdjson::DEPTH_ERROR) {
    return refuse(fmt::format("filter too deep: max {} levels", limits.depth_max));
  }
  return refuse(fmt::format("filter is not valid JSON: {}", simdjson::error_message(error)));
}

}  // namespace

Predicate::Predicate() = default;
Predicate::Predicate(Predicate&&) noexcept = default;
Predicate& Predicate::operator=(Predicate&&) noexcept = default;
Predicate::~Predicate() = default;

Result<Predicate> Predicate::parse(std::string_view json, const FilterLimits& limits) {
  if (json.size() > limits.bytes_max) {
    return refuse(fmt::format("filter too large: max {} bytes", limits.bytes_max));
  }
  dom::parser parser;
  const simdjson::padded_string text(json);
  dom::element document;
  if (const auto error = parser.parse(text).get(document); error != simdjson::SUCCESS) {
    return text_error(error, limits);
  }
  Predicate predicate;
  if (document.is_null()) return predicate;
  auto root = std::make_unique<Node>();
  Parser builder(limits);
  TRY(builder.parse_filter(document, "filter", 1, *root));
  predicate.namespace_ = builder.take_namespace();
  if (!root->children.empty()) predicate.root_ = std::move(root);
  predicate.text_ = json;
  return predicate;
}

bool Predicate::empty() const {
  return root_ == nullptr;
}

uint32_t Predicate::conditions() const {
  return root_ == nullptr ? 0 : root_->conditions();
}

bool Predicate::matches(std::string_view metadata_json) const {
  return root_ == nullptr || root_->matches(JsonView(metadata_json));
}

FilterReport Predicate::explain(std::string_view metadata_json) const {
  FilterReport report;
  report.passed = matches(metadata_json);
  if (root_ != nullptr) root_->explain(JsonView(metadata_json), report.conditions);
  return report;
}

Matches Predicate::probe(const FilterIndex& index) const {
  return root_ == nullptr ? Matches::exactly(index.all()) : root_->probe(index);
}

}  // namespace ferres
