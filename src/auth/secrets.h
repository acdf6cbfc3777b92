// What keys and passwords are kept as. API keys are random and long, so a plain SHA-256 hides them
// (API.md 16.1); passwords are chosen by people and go through Argon2id (RFC 9106) with the memory
// and passes that OWASP names as the least, about 30 ms of one core. Thread-safe.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ferres {

using KeyHash = std::array<unsigned char, 32>;

KeyHash hash_key(std::string_view key);
/// In constant time.
bool same_hash(const KeyHash& a, const KeyHash& b);
std::string to_hex(std::string_view bytes);
std::string to_hex(const KeyHash& hash);
/// Nothing when it is not 64 hex digits.
std::optional<KeyHash> hash_from_hex(std::string_view hex);

/// "ferres_sk_" and 48 hex digits from the kernel's random source.
std::string generate_api_key();
/// Hex digits of so many random bytes.
std::string random_hex(size_t bytes);

inline constexpr size_t kPasswordBytesMin = 8;
inline constexpr size_t kPasswordBytesMax = 1024;  // Argon2 takes time by length, too

/// Text that holds the salt and the parameters. kInvalidArgument for a length out of bounds.
Result<std::string> hash_password(std::string_view password);
bool verify_password(const std::string& hash, std::string_view password);

}  // namespace ferres
