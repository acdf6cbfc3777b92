// Hashing on OpenSSL and libargon2.
#include "auth/secrets.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/random.h"

namespace ferres {
namespace {

constexpr uint32_t kPasses = 2;
constexpr uint32_t kMemoryKiB = 19 << 10;
constexpr uint32_t kLanes = 1;
constexpr size_t kSaltBytes = 16;
constexpr size_t kHashBytes = 32;
constexpr std::string_view kHex = "0123456789abcdef";

std::optional<unsigned char> hex_digit(char c) {
  const size_t value = kHex.find(c);
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned char>(value);
}

}  // namespace

KeyHash hash_key(std::string_view key) {
  KeyHash result;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), result.data());
  return result;
}

bool same_hash(const KeyHash& a, const KeyHash& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_hex(std::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

std::string to_hex(const KeyHash& hash) {
  return to_hex(std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

std::optional<KeyHash> hash_from_hex(std::string_view hex) {
  KeyHash hash;
  if (hex.size() != hash.size() * 2) return std::nullopt;
  for (size_t i = 0; i < hash.size(); ++i) {
    const auto high = hex_digit(hex[2 * i]);
    const auto low = hex_digit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    hash[i] = static_cast<unsigned char>(*high << 4 | *low);
  }
  return hash;
}

std::string random_hex(size_t bytes) {
  std::string random(bytes, '\0');
  random_bytes(std::as_writable_bytes(std::span(random)));
  return to_hex(random);
}

std::string generate_api_key() {
  return "ferres_sk_" + random_hex(24);
}

Result<std::string> hash_password(std::string_view password) {
  if (password.size() < kPasswordBytesMin || password.size() > kPasswordBytesMax) {
    return Status(Code::kInvalidArgument, "a password must be of " +
                                              std::to_string(kPasswordBytesMin) + " to " +
                                              std::to_string(kPasswordBytesMax) + " bytes");
  }
  std::array<std::byte, kSaltBytes> salt{};
  random_bytes(salt);
  std::string text(
      argon2_encodedlen(kPasses, kMemoryKiB, kLanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
  const int code =
      argon2id_hash_encoded(kPasses, kMemoryKiB, kLanes, password.data(), password.size(),
                            salt.data(), salt.size(), kHashBytes, text.data(), text.size());
  if (code != ARGON2_OK) return Status(Code::kInternal, argon2_error_message(code));
  text.resize(text.find('\0'));
  return text;
}

bool verify_password(const std::string& hash, std::string_view password) {
  if (password.size() > kPasswordBytesMax) return false;
  return argon2id_verify(hash.c_str(), password.data(), password.size()) == ARGON2_OK;
}

}  // namespace ferres
