// The API keys of the configuration. Only their SHA-256 is kept: keys are random and long, so a
// plain hash needs no pepper (API.md 16.1). The presented key is hashed and compared with every
// stored hash in constant time, so neither a prefix nor the position of a match can be timed.
// Immutable after construction: any thread may authenticate.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "base/status.h"

namespace ferres {

class ApiKeys {
 public:
  ApiKeys() = default;
  /// Empty strings are left out. Every key of the configuration is an admin.
  explicit ApiKeys(const std::vector<std::string>& keys);

  bool empty() const { return hashes_.empty(); }

  /// From the value of an Authorization header (nullopt: absent). kUnauthenticated when it is
  /// missing or is not "Bearer KEY", kForbidden for an unknown key. Without any key configured
  /// everybody is admin: the server then listens on the loopback address alone.
  Result<Principal> authenticate(std::optional<std::string_view> authorization) const;

 private:
  using Hash = std::array<unsigned char, 32>;
  static Hash hash(std::string_view key);
  std::vector<Hash> hashes_;
};

/// "ferres_sk_" and 48 hex digits from the kernel's random source.
std::string generate_api_key();

}  // namespace ferres
