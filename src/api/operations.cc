// The table of operations.
#include "api/operations.h"

#include <array>

#include "api/errors.h"
#include "api/handlers.h"

namespace ferres {
namespace {

/// An operation that answers before it returns.
template <Result<Answer> (*kRun)(Context&, const Call&)>
void at_once(Context& context, Call& call, const Reply& reply) {
  Result<Answer> answer = kRun(context, call);
  reply(answer.ok() ? *std::move(answer) : error_answer(answer.error()));
}

using P = Permission;
constexpr std::array kOperations = {
    Operation{"health", Verb::kGet, "/health", P::kPublic, false, Body::kNone, at_once<get_health>},
};

}  // namespace

std::string_view verb_name(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "GET";
    case Verb::kPost:
      return "POST";
    case Verb::kPut:
      return "PUT";
    case Verb::kPatch:
      return "PATCH";
    case Verb::kDelete:
      return "DELETE";
  }
  return "";
}

const std::string* Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::optional<std::string> Call::ambient_namespace() const {
  const std::string* parameter_value = parameter("namespace");
  return parameter_value != nullptr ? std::optional(*parameter_value) : namespace_header;
}

std::span<const Operation> operations() {
  return kOperations;
}

}  // namespace ferres
