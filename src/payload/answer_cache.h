// The newest answers of a payload index to filters that were asked more than once, so that what is
// asked again and again (a tenant, a language, what is published) is not put together each time.
// An answer holds as long as the index has not changed since it was begun. Thread-safe.
#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "payload/answer.h"

namespace ferres {

class AnswerCache {
 public:
  static constexpr size_t kAnswersMax = 64;
  static constexpr uint64_t kBytesMax = 8 << 20;
  static constexpr size_t kKeyBytesMax = 4096;

  /// The answer that was put for the key and the version of the index; null when there is none.
  std::shared_ptr<const PayloadAnswer> find(std::string_view key, uint64_t version);
  /// Keeps the answer when the key was put before. One at most for a key.
  void put(std::string_view key, uint64_t version, std::shared_ptr<const PayloadAnswer> answer);
  uint64_t memory_bytes() const;

 private:
  struct Entry {
    std::string key;
    uint64_t version = 0;
    uint64_t bytes = 0;
    std::shared_ptr<const PayloadAnswer> answer;
  };
  void drop(std::list<Entry>::iterator entry) REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::list<Entry> entries_ GUARDED_BY(mutex_);  // used last first
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::array<uint64_t, 256> asked_ GUARDED_BY(mutex_){};  // hashes of keys, by their last bits
};

}  // namespace ferres
