// Base64url, HMAC and the claims.
#include "auth/token.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr size_t kTokenBytesMax = 4096;

std::string encode(std::string_view bytes) {
  std::vector<unsigned char> text(4 * ((bytes.size() + 2) / 3) + 1);
  const int length =
      EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  std::string result(text.begin(), text.begin() + length);
  std::replace(result.begin(), result.end(), '+', '-');
  std::replace(result.begin(), result.end(), '/', '_');
  while (result.ends_with('='))
    result.pop_back();
  return result;
}

std::optional<std::string> decode(std::string_view text) {
  if (text.empty() || text.find_first_of("+/= \n") != std::string_view::npos) return std::nullopt;
  std::string padded(text);
  std::replace(padded.begin(), padded.end(), '-', '+');
  std::replace(padded.begin(), padded.end(), '_', '/');
  const size_t padding = (4 - padded.size() % 4) % 4;
  if (padding == 3) return std::nullopt;
  padded.append(padding, '=');
  std::string bytes(padded.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(padded.data()),
                                     static_cast<int>(padded.size()));
  if (length < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(length) - padding);
  return bytes;
}

std::string hmac(std::string_view text, std::string_view secret) {
  std::array<unsigned char, 32> mac{};
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &length);
  return {mac.begin(), mac.end()};
}

Status refused(std::string why) {
  return {Code::kUnauthenticated, std::move(why)};
}

Result<TokenClaims> read_claims(std::string json) {
  TokenClaims claims;
  TRY_ASSIGN(const JsonValue value, parse_body(json));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(value));
  TRY(fields.require("sub", claims.user));
  TRY(fields.require("exp", claims.expires_at));
  TRY(fields.read("iat", claims.issued_at));
  TRY(fields.read("gen", claims.generation));
  TRY(fields.read("role", claims.role));
  return claims;
}

Status check_header(std::string json) {
  TRY_ASSIGN(const JsonValue value, parse_body(json));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(value));
  std::string algorithm;
  TRY(fields.require("alg", algorithm));
  return algorithm == "HS256" ? Status() : refused("another algorithm");
}

}  // namespace

bool looks_like_token(std::string_view text) {
  return text.starts_with("eyJ") && std::count(text.begin(), text.end(), '.') == 2;
}

std::string sign_token(const TokenClaims& claims, std::string_view secret) {
  JsonWriter json;
  json.begin_object().field("sub", claims.user).field("role", claims.role);
  json.field("iat", claims.issued_at).field("exp", claims.expires_at);
  json.field("gen", claims.generation).end_object();
  std::string token = encode(R"({"alg":"HS256","typ":"JWT"})") + "." + encode(json.text());
  token += "." + encode(hmac(token, secret));
  return token;
}

Result<TokenClaims> verify_token(std::string_view token, std::string_view secret,
                                 uint64_t now_seconds) {
  const Status invalid = refused("invalid token: log in again");
  if (token.size() > kTokenBytesMax || !looks_like_token(token)) return invalid.clone();
  const size_t first = token.find('.');
  const size_t second = token.rfind('.');
  const std::string_view signature = token.substr(second + 1);
  const std::string expected = encode(hmac(token.substr(0, second), secret));
  if (signature.size() != expected.size() ||
      CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) != 0) {
    return invalid.clone();
  }
  auto header = decode(token.substr(0, first));
  auto payload = decode(token.substr(first + 1, second - first - 1));
  if (!header || !payload || !check_header(*std::move(header)).ok()) return invalid.clone();
  Result<TokenClaims> claims = read_claims(*std::move(payload));
  if (!claims.ok()) return invalid.clone();
  if (claims->expires_at <= now_seconds) return refused("the token has expired: log in again");
  return claims;
}

}  // namespace ferres
