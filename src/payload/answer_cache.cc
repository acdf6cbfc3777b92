// See answer_cache.h. A list: there are few answers, and comparing a key with each costs less than
// the smallest filter.
#include "payload/answer_cache.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace ferres {

std::shared_ptr<const PayloadAnswer> AnswerCache::find(std::string_view key, uint64_t version) {
  const MutexLock lock(mutex_);
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [key](const Entry& known) { return known.key == key; });
  if (entry == entries_.end()) return nullptr;
  if (entry->version != version) {
    drop(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->answer;
}

void AnswerCache::put(std::string_view key, uint64_t version,
                      std::shared_ptr<const PayloadAnswer> answer) {
  const uint64_t hash = hash_bytes(as_bytes(key), 0);
  const MutexLock lock(mutex_);
  if (std::exchange(asked_[hash % asked_.size()], hash) != hash) return;
  const uint64_t bytes = sizeof(Entry) + key.size() + answer->matches.slots.memory_bytes() +
                         answer->matches.unsure.memory_bytes();
  if (bytes > kBytesMax / 2) return;
  const auto known = std::find_if(entries_.begin(), entries_.end(),
                                  [key](const Entry& entry) { return entry.key == key; });
  if (known != entries_.end()) drop(known);
  entries_.push_front({std::string(key), version, bytes, std::move(answer)});
  bytes_ += bytes;
  while (entries_.size() > kAnswersMax || bytes_ > kBytesMax)
    drop(std::prev(entries_.end()));
}

uint64_t AnswerCache::memory_bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

void AnswerCache::drop(std::list<Entry>::iterator entry) {
  bytes_ -= entry->bytes;
  entries_.erase(entry);
}

}  // namespace ferres
