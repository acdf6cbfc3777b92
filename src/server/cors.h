// Which browser origins may call (API.md 2, CORS). Immutable: any thread.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ferres {

class Cors {
 public:
  /// An empty list allows any port of http://localhost and http://127.0.0.1.
  explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  bool allows(std::string_view origin) const;
  /// Header lines for an answer to this origin.
  std::string headers(std::string_view origin) const;
  /// The same with what a preflight asks for.
  std::string preflight_headers(std::string_view origin) const;

 private:
  std::vector<std::string> origins_;
};

}  // namespace ferres
