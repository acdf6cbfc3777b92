// The book of keys and users, and its file (docs/formats.md). Values; private to src/auth.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "auth/accounts.h"

namespace ferres {

struct AccountKey {
  KeyInfo info;
  KeyHash hash{};
  std::optional<KeyHash> old_hash;  // before the last rotation
};

struct AccountUser {
  UserInfo info;
  std::string password;     // as Argon2 writes it
  uint64_t generation = 0;  // of the password: tokens of other ones are over
};

struct AccountBook {
  std::string token_secret;
  uint64_t next_key = 1;
  uint64_t next_user = 1;
  std::map<uint64_t, AccountKey> keys;  // by id
  std::map<std::string, AccountUser, std::less<>> users;

  AccountBook() = default;
  /// Without the index.
  AccountBook(const AccountBook& other)
      : token_secret(other.token_secret),
        next_key(other.next_key),
        next_user(other.next_user),
        keys(other.keys),
        users(other.users) {}
  AccountBook(AccountBook&&) = default;
  AccountBook& operator=(const AccountBook&) = delete;
  AccountBook& operator=(AccountBook&&) = default;
  ~AccountBook() = default;

  void index();
  /// Of an indexed book; compares whole hashes in constant time. Null: unknown.
  const AccountKey* find(const KeyHash& hash) const;

 private:
  std::unordered_multimap<uint64_t, const AccountKey*> by_hash_;  // by a hash's first 8 bytes
};

/// Without the keys of the settings.
std::string account_book_json(const AccountBook& book);
Result<AccountBook> read_account_book(std::string json);

/// A key of the settings, which has an id of its own above those that are given out.
AccountKey settings_key(std::string_view key);

}  // namespace ferres
