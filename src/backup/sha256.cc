// On OpenSSL, which has the CPU's own instructions for it.
#include "backup/sha256.h"

#include <array>

#include <openssl/evp.h>

#include "base/random.h"
#include "base/status.h"

namespace ferres {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  // Fails only where the algorithm is missing or memory is.
  CHECK(state_->context != nullptr);
  CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() = default;

void Sha256::update(Bytes bytes) {
  CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::hex() {
  std::array<std::byte, 32> digest{};
  CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.data()),
                           nullptr) == 1);
  return to_hex(digest);
}

std::string Sha256::hex_of(Bytes bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.hex();
}

}  // namespace ferres
