// Who may come in: API keys and users (API.md 3.1, 5.8). Kept in one file that is written anew, and
// durably, before a change is answered, and outside of everything that a restore brings back: what
// was revoked stays so. Keys and passwords are kept as hashes alone. Requests look at an unchanging
// book that a change replaces, so every change counts from the next request on. Thread-safe.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "auth/secrets.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status.h"

namespace ferres {

inline constexpr size_t kKeysMax = 10000;
inline constexpr size_t kUsersMax = 10000;
inline constexpr size_t kAccountNameBytesMax = 128;

/// What is known of a key, which is never the key itself.
struct KeyInfo {
  uint64_t id = 0;
  std::string name;
  std::string prefix;  // the key's first characters
  Role role = Role::kAdmin;
  std::shared_ptr<const Limits> limits;  // null: none
  uint64_t created_at = 0;               // Unix seconds
  std::optional<uint64_t> expires_at;    // Unix seconds
  std::string made_by;                   // the account of who made it
  bool of_settings = false;              // from the configuration, where it also ends
  std::optional<uint64_t>
      old_key_until;  // after a rotation, while the old one is good: Unix seconds
};

struct NewKey {
  std::string name;
  Role role = Role::kAdmin;
  Limits limits;
  std::optional<uint64_t> expires_at;
  std::string made_by;
};

/// What is absent stays as it is.
struct KeyChange {
  std::optional<std::vector<std::string>> namespaces;
  std::optional<std::vector<Grant>> grants;
  std::optional<Role> role;
  std::optional<std::optional<uint64_t>> expires_at;
};

/// The only time that the key is told.
struct MadeKey {
  KeyInfo info;
  std::string key;
};

struct UserInfo {
  uint64_t id = 0;
  std::string username;
  Role role = Role::kViewer;
  std::shared_ptr<const Limits> limits;  // null: none
  uint64_t created_at = 0;               // Unix seconds
};

struct NewUser {
  std::string username;
  std::string password;
  Role role = Role::kViewer;
  std::vector<Grant> grants;
};

struct Login {
  std::string token;
  std::string username;
  Role role = Role::kViewer;
};

struct AccountOptions {
  std::string path;               // of the file; its folder exists
  std::vector<std::string> keys;  // of the settings: admins
  std::string token_secret;       // empty: one is made and kept
  /// Everybody is an admin until there is a first key; for servers that only this machine reaches.
  bool open_without_keys = false;
};

struct AccountBook;  // auth/account_book.h

class Accounts {
 public:
  /// Files and clock outlive it. A file that cannot be read or is damaged leaves the keys of the
  /// settings alone in force: see failure().
  static std::unique_ptr<Accounts> open(FileSystem& files, const Clock& clock,
                                        AccountOptions options);
  ~Accounts();
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  /// Why nothing can be kept or asked but the keys of the settings.
  Status failure() const { return failure_.clone(); }
  /// Makes the first user, an admin called root, when there is none and never was; its password.
  Result<std::optional<std::string>> make_root();
  /// Neither a key nor an open door: nobody could come in but by a user's name.
  bool has_keys() const;

  /// From the value of an Authorization header (nullopt: absent). kUnauthenticated when it is
  /// missing or is not "Bearer SECRET", or a token that is not good; kForbidden for a key that is
  /// unknown or over.
  Result<Principal> authenticate(std::optional<std::string_view> authorization) const;
  /// kForbidden when the credential that it came by is gone, over, or says other things now. For
  /// calls that take long.
  Status check_still(const Principal& who) const;
  /// kUnauthenticated for a wrong name or password; kResourceExhausted after too many of them for
  /// one name. Takes about 30 ms of CPU: not for a connection's thread.
  Result<Login> login(const std::string& username, std::string_view password);

  // Each change is durable when it returns. kNotFound for what is not there.
  std::vector<KeyInfo> keys() const;  // newest first, those of the settings last
  Result<MadeKey> make_key(NewKey key);
  Status change_key(uint64_t id, const KeyChange& change);
  /// A new key in place of the old one, which stays good for so many seconds.
  Result<MadeKey> rotate_key(uint64_t id, uint64_t grace_seconds);
  Status remove_key(uint64_t id);

  std::vector<UserInfo> users() const;  // by id
  /// kAlreadyExists for a name that is taken.
  Result<UserInfo> make_user(NewUser user);
  /// kConflict for the last admin.
  Status remove_user(uint64_t id);
  /// Ends the tokens that the user has.
  Status set_password(const std::string& username, std::string_view password);
  Status set_grants(const std::string& username, std::vector<Grant> grants);

 private:
  struct Failures {
    uint64_t count = 0;
    uint64_t since_micros = 0;
  };

  Accounts(FileSystem& files, const Clock& clock, AccountOptions options);
  Status load();
  Result<AccountBook> read_book() const;
  std::shared_ptr<const AccountBook> book() const;
  /// Makes a changed book durable and puts it in force.
  template <class Change>
  Status change(const Change& change);
  Status check_failures(const std::string& username);
  void note_failure(const std::string& username);
  uint64_t now_seconds() const { return clock_.unix_micros() / 1'000'000; }

  FileSystem& files_;
  const Clock& clock_;
  const AccountOptions options_;
  Status failure_;  // set while opening
  Mutex changing_;
  mutable Mutex mutex_;
  std::shared_ptr<const AccountBook> book_ GUARDED_BY(mutex_);
  Mutex failures_mutex_;
  std::map<std::string, Failures> failures_ GUARDED_BY(failures_mutex_);
};

}  // namespace ferres
