// How failures look to a client: one table from Code to HTTP status and error word, and the bodies
// of API.md 2.1. Pure functions.
#pragma once
#include <string>
#include <string_view>

#include "api/answer.h"
#include "base/status.h"

namespace ferres {

struct ErrorRow {
  Code code;
  int http_status;
  std::string_view word;
};

const ErrorRow& error_row(Code code);

/// Paths in it begin in the data folder.
std::string message_for_clients(const Status& status);

/// Shape A: {"error", "message", "code"} with an integer code.
Answer error_answer(const Status& status);
/// The same for failures that only a transport knows (unknown route, wrong method, too large...).
Answer error_answer(int http_status, std::string_view word, std::string_view message);
/// Shape B, of the authentication layer: "code" is the word, repeated in "error".
Answer auth_error_answer(const Status& status);
Answer auth_error_answer(int http_status, std::string_view word, std::string_view message);

}  // namespace ferres
