// Status and Result<T>: how every function says what went wrong. A Status is one pointer and null
// means ok, so the happy path costs one compare. Nothing in FerresDB throws; exceptions of
// third-party code are caught in the module that calls it. Bad bytes from disk or network are
// kCorruption or kInvalidArgument; CHECK is for programmer errors alone. Values, not thread-safe to
// mutate.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace ferres {

/// What kind of failure: api/errors.cc maps each to an HTTP status.
enum class Code : uint8_t {
  kOk,
  kNotFound,
  kAlreadyExists,
  kInvalidArgument,
  kInvalidDimension,  // A vector's length is not its field's.
  kUnprocessable,     // Well-formed, but of the wrong shape: a field is missing or of another type.
  kUnauthenticated,
  kForbidden,
  kReadOnly,
  kConflict,
  kPrecondition,  // A state that the caller asked for is not there (min_lsn).
  kTooLarge,
  kResourceExhausted,  // Too many requests or connections right now.
  kNoSpace,            // The disk is full.
  kUnavailable,        // Closed, quarantined, or the log is poisoned.
  kUpstream,           // Another server that this one asked failed or cannot be reached.
  kDeadline,
  kCorruption,
  kIo,
  kUnimplemented,
  kInternal
};

/// Stops the program: a broken invariant, never bad input.
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (0)

class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(Code code, std::string message)
      : rep_(std::make_unique<Rep>(Rep{code, std::move(message)})) {}

  bool ok() const noexcept { return rep_ == nullptr; }
  Code code() const noexcept { return rep_ ? rep_->code : Code::kOk; }
  std::string_view message() const noexcept {
    return rep_ ? std::string_view(rep_->message) : std::string_view();
  }
  /// Puts "what: " before the message.
  Status context(std::string_view what) && {
    if (rep_) rep_->message.insert(0, std::string(what) + ": ");
    return std::move(*this);
  }
  /// A second owner of the same failure (statuses are otherwise move-only).
  Status clone() const { return rep_ ? Status(rep_->code, rep_->message) : Status(); }
  /// For the few places where failure changes nothing; say why at the call.
  void ignore() const noexcept {}

 private:
  struct Rep {
    Code code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Status error) : v_(std::in_place_index<1>, std::move(error)) {  // NOLINT: implicit
    CHECK(!std::get_if<1>(&v_)->ok());
  }
  bool ok() const noexcept { return v_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  T& operator*() & noexcept { return *std::get_if<0>(&v_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&v_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&v_)); }
  T* operator->() noexcept { return std::get_if<0>(&v_); }
  const T* operator->() const noexcept { return std::get_if<0>(&v_); }
  const Status& error() const& noexcept { return *std::get_if<1>(&v_); }
  Status&& error() && noexcept { return std::move(*std::get_if<1>(&v_)); }

 private:
  std::variant<T, Status> v_;
};

}  // namespace ferres

#define FERRES_CONCAT_(a, b) a##b
#define FERRES_CONCAT(a, b) FERRES_CONCAT_(a, b)
/// Returns from the calling function when expr fails.
#define TRY(expr)                                          \
  do {                                                     \
    if (::ferres::Status s_ = (expr); !s_.ok()) return s_; \
  } while (0)
/// TRY_ASSIGN(auto x, f()): x is f's value, or the calling function returns f's error.
#define TRY_ASSIGN(decl, expr) TRY_ASSIGN_(FERRES_CONCAT(r_, __LINE__), decl, expr)
// NOLINTBEGIN(bugprone-macro-parentheses): decl is a declaration
#define TRY_ASSIGN_(tmp, decl, expr)            \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = *std::move(tmp)
// NOLINTEND(bugprone-macro-parentheses)
