// The table of errors and their JSON.
#include "api/errors.h"

#include <array>

#include "json/writer.h"

namespace ferres {
namespace {

constexpr std::array kErrors = {
    ErrorRow{Code::kOk, 200, "ok"},
    ErrorRow{Code::kNotFound, 404, "collection_not_found"},
    ErrorRow{Code::kAlreadyExists, 409, "collection_already_exists"},
    ErrorRow{Code::kInvalidArgument, 400, "invalid_payload"},
    ErrorRow{Code::kInvalidDimension, 400, "invalid_dimension"},
    ErrorRow{Code::kUnprocessable, 422, "invalid_payload"},
    ErrorRow{Code::kUnauthenticated, 401, "unauthorized"},
    ErrorRow{Code::kForbidden, 403, "forbidden"},
    ErrorRow{Code::kReadOnly, 405, "method_not_allowed"},
    ErrorRow{Code::kConflict, 409, "conflict"},
    ErrorRow{Code::kPrecondition, 412, "precondition_failed"},
    ErrorRow{Code::kTooLarge, 413, "invalid_payload"},
    ErrorRow{Code::kResourceExhausted, 429, "resource_exhausted"},
    ErrorRow{Code::kNoSpace, 507, "no_space"},
    ErrorRow{Code::kUnavailable, 503, "unavailable"},
    ErrorRow{Code::kUpstream, 502, "upstream_failed"},
    ErrorRow{Code::kDeadline, 504, "timeout"},
    ErrorRow{Code::kCorruption, 503, "unavailable"},
    ErrorRow{Code::kIo, 500, "internal_error"},
    ErrorRow{Code::kUnimplemented, 501, "unimplemented"},
    ErrorRow{Code::kInternal, 500, "internal_error"},
};

/// Where a word is a path in the data folder, what stands before that folder: nothing for clients.
size_t server_part(std::string_view word) {
  if (!word.starts_with('/') || word.starts_with("/api/")) return 0;
  for (const std::string_view folder : {"/collections/", "/dropped/", "/system/"}) {
    if (const size_t at = word.find(folder); at != std::string_view::npos) return at + 1;
  }
  return 0;
}

}  // namespace

std::string message_for_clients(const Status& status) {
  std::string_view message = status.message();
  std::string kept;
  while (!message.empty()) {
    message.remove_prefix(server_part(message.substr(0, message.find_first_of(" '"))));
    const size_t end = message.find_first_of(" '");
    const size_t length = end == std::string_view::npos ? message.size() : end + 1;
    kept += message.substr(0, length);
    message.remove_prefix(length);
  }
  return kept;
}

const ErrorRow& error_row(Code code) {
  for (const ErrorRow& row : kErrors) {
    if (row.code == code) return row;
  }
  return kErrors.back();
}

Answer error_answer(int http_status, std::string_view word, std::string_view message) {
  JsonWriter json;
  json.begin_object();
  json.field("error", word).field("message", message).field("code", http_status);
  json.end_object();
  return {.status = http_status, .body = json.take()};
}

Answer error_answer(const Status& status) {
  const ErrorRow& row = error_row(status.code());
  if (row.http_status < 500) return error_answer(row.http_status, row.word, status.message());
  return error_answer(row.http_status, row.word, message_for_clients(status));
}

Answer auth_error_answer(int http_status, std::string_view word, std::string_view message) {
  JsonWriter json;
  json.begin_object();
  json.field("message", message).field("code", word).field("error", word);
  json.end_object();
  return {.status = http_status, .body = json.take()};
}

Answer auth_error_answer(const Status& status) {
  const ErrorRow& row = error_row(status.code());
  return auth_error_answer(row.http_status, row.word, status.message());
}

}  // namespace ferres
