// How failures of accounts are answered: a key or user that is not there is no missing collection,
// as the common table of errors would say. Pure.
#pragma once
#include "api/context.h"
#include "api/errors.h"

namespace ferres {

inline Answer account_answer(const Context& context, Result<Answer> answer) {
  if (answer.ok()) return *std::move(answer);
  const Status& error = answer.error();
  if (!context.accounts.failure().ok()) {
    return error_answer(503, "api_key_store_unavailable",
                        "accounts cannot be read, the server's log says why");
  }
  if (error.code() == Code::kNotFound) return error_answer(404, "not_found", error.message());
  if (error.code() == Code::kAlreadyExists)
    return error_answer(400, "invalid_payload", error.message());
  return error_answer(error);
}

}  // namespace ferres
