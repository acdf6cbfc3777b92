// The tokens of logged-in users: JSON Web Tokens (RFC 7519) signed with HMAC-SHA256, and no other
// algorithm. Our own on OpenSSL's HMAC: the libjwt of Debian 12 compares signatures with strcmp
// (CVE-2024-25189). Pure functions.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ferres {

struct TokenClaims {
  std::string user;         // "sub"
  std::string role;         // "role"; for clients to read
  uint64_t issued_at = 0;   // "iat", Unix seconds
  uint64_t expires_at = 0;  // "exp"
  uint64_t generation = 0;  // "gen": of the user's password
};

/// Three parts with dots between them: no API key of ours looks so.
bool looks_like_token(std::string_view text);
std::string sign_token(const TokenClaims& claims, std::string_view secret);
/// kUnauthenticated for every token that is malformed, signed otherwise, or over.
Result<TokenClaims> verify_token(std::string_view token, std::string_view secret,
                                 uint64_t now_seconds);

}  // namespace ferres
