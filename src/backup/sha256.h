// SHA-256 of bytes as they come: what a backup calls each file by and checks it against. One
// thread.
#pragma once
#include <memory>
#include <string>

#include "base/types.h"

namespace ferres {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(Bytes bytes);
  /// 64 lower-case hex digits of all so far; nothing may follow.
  std::string hex();

  static std::string hex_of(Bytes bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferres
