// Hashing and comparing of API keys, on OpenSSL's SHA-256 and CRYPTO_memcmp.
#include "auth/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/random.h"

namespace ferres {
namespace {

constexpr std::string_view kScheme = "bearer ";

bool has_bearer_scheme(std::string_view value) {
  if (value.size() <= kScheme.size()) return false;
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = value[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != kScheme[i]) return false;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

}  // namespace

ApiKeys::Hash ApiKeys::hash(std::string_view key) {
  Hash result;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), result.data());
  return result;
}

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (!key.empty()) hashes_.push_back(hash(key));
  }
}

Result<Principal> ApiKeys::authenticate(std::optional<std::string_view> authorization) const {
  if (empty()) return Principal{.user = "anonymous", .role = Role::kAdmin};
  if (!authorization) {
    return Status(Code::kUnauthenticated,
                  "missing Authorization header: send 'Authorization: Bearer <api key>'");
  }
  const std::string_view key =
      has_bearer_scheme(*authorization) ? trim(authorization->substr(kScheme.size())) : "";
  if (key.empty()) {
    return Status(Code::kUnauthenticated,
                  "malformed Authorization header: expected 'Bearer <api key>'");
  }
  const Hash presented = hash(key);
  int known = 0;
  for (const Hash& stored : hashes_) {
    known |= static_cast<int>(CRYPTO_memcmp(stored.data(), presented.data(), stored.size()) == 0);
  }
  if (known == 0) return Status(Code::kForbidden, "invalid API key");
  return Principal{.user = "api_key", .role = Role::kAdmin};
}

std::string generate_api_key() {
  std::array<std::byte, 24> bytes{};
  random_bytes(bytes);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string key = "ferres_sk_";
  for (const std::byte byte : bytes) {
    key += kHex[std::to_integer<size_t>(byte >> 4)];
    key += kHex[std::to_integer<size_t>(byte & std::byte{15})];
  }
  return key;
}

}  // namespace ferres
