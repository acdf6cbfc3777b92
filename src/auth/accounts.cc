// Accounts: authentication, and changes of the book.
#include "auth/accounts.h"

#include <algorithm>

#include "auth/account_book.h"
#include "auth/token.h"

namespace ferres {
namespace {

constexpr uint64_t kFileBytesMax = 64ull << 20;
constexpr uint64_t kTokenSeconds = 24ull * 3600;
constexpr size_t kPrefixBytes = 18;
constexpr uint64_t kFailuresMax = 10;  // of one name in a minute
constexpr uint64_t kFailuresMicros = 60'000'000;
constexpr size_t kFailureNamesMax = 10000;
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

std::string key_account(uint64_t id) {
  return "api_key:" + std::to_string(id);
}

std::string user_account(uint64_t id) {
  return "user:" + std::to_string(id);
}

std::shared_ptr<const Limits> kept(Limits limits) {
  return limits == Limits() ? nullptr : std::make_shared<const Limits>(std::move(limits));
}

Status no_key(uint64_t id) {
  return {Code::kNotFound, "there is no API key " + std::to_string(id)};
}

Status no_user(std::string_view name) {
  return {Code::kNotFound, "there is no user '" + std::string(name) + "'"};
}

/// Grants have no say over an admin: who gave both meant something else.
Status check_grants(Role role, const std::vector<Grant>& grants) {
  if (role != Role::kAdmin || grants.empty()) return {};
  return {Code::kInvalidArgument,
          "permissions have no effect on the role admin: choose editor or viewer"};
}

Status check_username(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kAccountNameBytesMax &&
                    name.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789._@+-") == std::string_view::npos;
  if (good) return {};
  return {Code::kInvalidArgument, "a username is of 1 to " + std::to_string(kAccountNameBytesMax) +
                                      " letters, digits and characters of '._@+-'"};
}

AccountKey* changeable(AccountBook& book, uint64_t id, Status& why) {
  const auto found = book.keys.find(id);
  if (found == book.keys.end()) {
    why = no_key(id);
    return nullptr;
  }
  if (found->second.info.of_settings) {
    why = {Code::kConflict, "this key is from the settings (FERRESDB_API_KEYS): change them there"};
    return nullptr;
  }
  return &found->second;
}

}  // namespace

Accounts::Accounts(FileSystem& files, const Clock& clock, AccountOptions options)
    : files_(files), clock_(clock), options_(std::move(options)) {}

Accounts::~Accounts() = default;

std::unique_ptr<Accounts> Accounts::open(FileSystem& files, const Clock& clock,
                                         AccountOptions options) {
  std::unique_ptr<Accounts> accounts(new Accounts(files, clock, std::move(options)));
  accounts->failure_ = accounts->load();
  return accounts;
}

Result<AccountBook> Accounts::read_book() const {
  TRY_ASSIGN(std::string text, read_file(files_, options_.path, kFileBytesMax));
  auto book = read_account_book(std::move(text));
  if (!book.ok()) return std::move(book).error().context(options_.path);
  return book;
}

Status Accounts::load() {
  AccountBook book;
  Status status;
  if (files_.exists(options_.path)) {
    auto read = read_book();
    if (read.ok()) {
      book = *std::move(read);
    } else {
      status = std::move(read).error();
    }
  }
  for (const std::string& key : options_.keys) {
    if (key.empty()) continue;
    AccountKey row = settings_key(key);
    book.keys.emplace(row.info.id, std::move(row));
  }
  if (book.token_secret.empty()) book.token_secret = random_hex(32);
  book.index();
  const MutexLock lock(mutex_);
  book_ = std::make_shared<const AccountBook>(std::move(book));
  return status;
}

std::shared_ptr<const AccountBook> Accounts::book() const {
  const MutexLock lock(mutex_);
  return book_;
}

template <class Change>
Status Accounts::change(const Change& change) {
  if (!failure_.ok()) return failure_.clone();
  const MutexLock lock(changing_);
  auto changed = std::make_shared<AccountBook>(*book());
  TRY(change(*changed));
  const std::string json = account_book_json(*changed);
  // What could not be read at the next start must not be written.
  if (json.size() > kFileBytesMax || !read_account_book(json).ok())
    return {Code::kInvalidArgument, "the accounts would be too large to be kept"};
  TRY(write_secret_file_atomic(files_, options_.path, as_bytes(json)));
  changed->index();
  const MutexLock publishing(mutex_);
  book_ = std::move(changed);
  return {};
}

Result<std::optional<std::string>> Accounts::make_root() {
  if (!failure_.ok()) return failure_.clone();
  if (book()->next_user != 1) return std::optional<std::string>();
  std::string password = random_hex(12);
  TRY_ASSIGN(
      [[maybe_unused]] const UserInfo root,
      make_user({.username = "root", .password = password, .role = Role::kAdmin, .grants = {}}));
  return std::optional(std::move(password));
}

bool Accounts::has_keys() const {
  const auto now = book();
  return !now->keys.empty() || now->next_key != 1;
}

Result<Principal> Accounts::authenticate(std::optional<std::string_view> authorization) const {
  const std::shared_ptr<const AccountBook> now = book();
  // The last key that is removed does not open the door again, and whoever made users beside root
  // meant them to log in.
  const bool never_closed = now->keys.empty() && now->next_key == 1 && now->next_user <= 2;
  if (options_.open_without_keys && failure_.ok() && never_closed) {
    Principal anyone;
    anyone.role = Role::kAdmin;
    if (!authorization || !has_bearer_scheme(*authorization)) return anyone;
    if (!looks_like_token(trim(authorization->substr(kScheme.size())))) return anyone;
  }
  if (!authorization) {
    return Status(Code::kUnauthenticated,
                  "missing Authorization header: send 'Authorization: Bearer <api key>'");
  }
  const std::string_view secret =
      has_bearer_scheme(*authorization) ? trim(authorization->substr(kScheme.size())) : "";
  if (secret.empty()) {
    return Status(Code::kUnauthenticated,
                  "malformed Authorization header: expected 'Bearer <api key>'");
  }
  const KeyHash hash = hash_key(secret);
  Principal who;
  if (const AccountKey* const key = now->find(hash)) {
    const uint64_t seconds = now_seconds();
    const bool is_old = !same_hash(key->hash, hash);
    if (is_old && key->info.old_key_until.value_or(0) <= seconds)
      return Status(Code::kForbidden, "the API key was replaced, and its time is over");
    if (key->info.expires_at && *key->info.expires_at <= seconds)
      return Status(Code::kForbidden, "the API key has expired");
    who.user = "api_key";
    who.role = key->info.role;
    who.account = key_account(key->info.id);
    who.expires_at = key->info.expires_at;
    who.limits = key->info.limits;
    return who;
  }
  if (!looks_like_token(secret)) {
    if (!failure_.ok()) return Status(Code::kUnavailable, "API keys cannot be read at the moment");
    return Status(Code::kForbidden, "invalid API key");
  }
  const std::string& token_secret =
      options_.token_secret.empty() ? now->token_secret : options_.token_secret;
  TRY_ASSIGN(const TokenClaims claims, verify_token(secret, token_secret, now_seconds()));
  const auto user = now->users.find(claims.user);
  if (user == now->users.end() || user->second.generation != claims.generation)
    return Status(Code::kUnauthenticated, "the token is no longer good: log in again");
  who.user = claims.user;
  who.account = user_account(user->second.info.id);
  who.role = user->second.info.role;
  who.limits = user->second.info.limits;
  return who;
}

namespace {

bool same_limits(const Principal& who, Role role, const std::shared_ptr<const Limits>& limits) {
  if (who.role != role || (who.limits == nullptr) != (limits == nullptr)) return false;
  return limits == nullptr || *who.limits == *limits;
}

}  // namespace

Status Accounts::check_still(const Principal& who) const {
  const Status over(Code::kForbidden, "the credential of this call is no longer good");
  const std::shared_ptr<const AccountBook> now = book();
  if (who.account.empty()) return now->keys.empty() && now->next_key == 1 ? Status() : over.clone();
  for (const auto& [id, key] : now->keys) {
    if (who.account != key_account(id)) continue;
    const bool ended = key.info.expires_at && *key.info.expires_at <= now_seconds();
    return !ended && same_limits(who, key.info.role, key.info.limits) ? Status() : over.clone();
  }
  const auto user = now->users.find(who.user);
  const bool good = user != now->users.end() && who.account == user_account(user->second.info.id) &&
                    same_limits(who, user->second.info.role, user->second.info.limits);
  return good ? Status() : over.clone();
}

Status Accounts::check_failures(const std::string& username) {
  const MutexLock lock(failures_mutex_);
  const auto found = failures_.find(username);
  if (found == failures_.end()) return {};
  if (clock_.unix_micros() - found->second.since_micros > kFailuresMicros) {
    failures_.erase(found);
    return {};
  }
  if (found->second.count < kFailuresMax) return {};
  return {Code::kResourceExhausted, "too many failed logins as this user: try again in a minute"};
}

void Accounts::note_failure(const std::string& username) {
  const MutexLock lock(failures_mutex_);
  const uint64_t now = clock_.unix_micros();
  if (failures_.size() >= kFailureNamesMax) {
    std::erase_if(failures_, [now](const auto& one) {
      return now - one.second.since_micros > kFailuresMicros;
    });
  }
  if (failures_.size() >= kFailureNamesMax && !failures_.contains(username)) return;
  Failures& failures = failures_[username];
  if (failures.count++ == 0) failures.since_micros = now;
}

Result<Login> Accounts::login(const std::string& username, std::string_view password) {
  if (!failure_.ok()) return failure_.clone();
  const Status wrong(Code::kUnauthenticated, "Invalid username or password");
  if (username.size() > kAccountNameBytesMax) return wrong.clone();
  TRY(check_failures(username));
  const std::shared_ptr<const AccountBook> now = book();
  const auto user = now->users.find(username);
  // A name that is not there takes as long as one that is.
  static const std::string nobody = *hash_password(random_hex(16));
  const bool good =
      verify_password(user == now->users.end() ? nobody : user->second.password, password);
  if (!good || user == now->users.end()) {
    note_failure(username);
    return wrong.clone();
  }
  const uint64_t seconds = now_seconds();
  const Role role = user->second.info.role;
  const TokenClaims claims{.user = username,
                           .role = std::string(role_name(role)),
                           .issued_at = seconds,
                           .expires_at = seconds + kTokenSeconds,
                           .generation = user->second.generation};
  const std::string& secret =
      options_.token_secret.empty() ? now->token_secret : options_.token_secret;
  return Login{sign_token(claims, secret), username, role};
}

std::vector<KeyInfo> Accounts::keys() const {
  const auto now = book();
  std::vector<KeyInfo> infos;
  for (const auto& [id, key] : now->keys)
    infos.push_back(key.info);
  std::stable_sort(infos.begin(), infos.end(), [](const KeyInfo& a, const KeyInfo& b) {
    return a.of_settings != b.of_settings ? b.of_settings : a.id > b.id;
  });
  return infos;
}

Result<MadeKey> Accounts::make_key(NewKey key) {
  if (key.name.empty()) return Status(Code::kInvalidArgument, "name cannot be empty");
  if (key.name.size() > kAccountNameBytesMax) {
    return Status(Code::kInvalidArgument,
                  "name too long: max " + std::to_string(kAccountNameBytesMax));
  }
  TRY(check_grants(key.role, key.limits.grants));
  MadeKey made;
  made.key = generate_api_key();
  TRY(change([&](AccountBook& book) -> Status {
    if (book.keys.size() >= kKeysMax)
      return {Code::kConflict, "too many API keys: max " + std::to_string(kKeysMax)};
    made.info = {.id = book.next_key++,
                 .name = std::move(key.name),
                 .prefix = made.key.substr(0, kPrefixBytes),
                 .role = key.role,
                 .limits = kept(std::move(key.limits)),
                 .created_at = now_seconds(),
                 .expires_at = key.expires_at,
                 .made_by = std::move(key.made_by),
                 .of_settings = false,
                 .old_key_until = {}};
    book.keys.emplace(made.info.id, AccountKey{made.info, hash_key(made.key), {}});
    return {};
  }));
  return made;
}

Status Accounts::change_key(uint64_t id, const KeyChange& wanted) {
  return change([&](AccountBook& book) -> Status {
    Status why;
    AccountKey* const key = changeable(book, id, why);
    if (key == nullptr) return why;
    Limits limits = key->info.limits ? *key->info.limits : Limits();
    if (wanted.namespaces) limits.namespaces = *wanted.namespaces;
    if (wanted.grants) limits.grants = *wanted.grants;
    if (wanted.role) key->info.role = *wanted.role;
    if (wanted.expires_at) key->info.expires_at = *wanted.expires_at;
    TRY(check_grants(key->info.role, limits.grants));
    key->info.limits = kept(std::move(limits));
    return {};
  });
}

Result<MadeKey> Accounts::rotate_key(uint64_t id, uint64_t grace_seconds) {
  MadeKey made;
  made.key = generate_api_key();
  TRY(change([&](AccountBook& book) -> Status {
    Status why;
    AccountKey* const key = changeable(book, id, why);
    if (key == nullptr) return why;
    key->old_hash = key->hash;
    key->info.old_key_until = now_seconds() + grace_seconds;
    key->hash = hash_key(made.key);
    key->info.prefix = made.key.substr(0, kPrefixBytes);
    made.info = key->info;
    return {};
  }));
  return made;
}

Status Accounts::remove_key(uint64_t id) {
  return change([&](AccountBook& book) -> Status {
    Status why;
    if (changeable(book, id, why) == nullptr) return why;
    book.keys.erase(id);
    return {};
  });
}

std::vector<UserInfo> Accounts::users() const {
  const auto now = book();
  std::vector<UserInfo> infos;
  for (const auto& [name, user] : now->users)
    infos.push_back(user.info);
  std::sort(infos.begin(), infos.end(),
            [](const UserInfo& a, const UserInfo& b) { return a.id < b.id; });
  return infos;
}

Result<UserInfo> Accounts::make_user(NewUser user) {
  TRY(check_username(user.username));
  TRY(check_grants(user.role, user.grants));
  TRY_ASSIGN(std::string password, hash_password(user.password));
  UserInfo info;
  TRY(change([&](AccountBook& book) -> Status {
    if (book.users.contains(user.username))
      return {Code::kAlreadyExists, "username already exists"};
    if (book.users.size() >= kUsersMax)
      return {Code::kConflict, "too many users: max " + std::to_string(kUsersMax)};
    info = {.id = book.next_user++,
            .username = user.username,
            .role = user.role,
            .limits = kept({.namespaces = {}, .grants = std::move(user.grants)}),
            .created_at = now_seconds()};
    // A name that is given out anew starts above what tokens of its first owner say.
    const uint64_t generation = info.id << 20;
    book.users.emplace(user.username, AccountUser{info, std::move(password), generation});
    return {};
  }));
  return info;
}

Status Accounts::remove_user(uint64_t id) {
  return change([&](AccountBook& book) -> Status {
    const auto found = std::find_if(book.users.begin(), book.users.end(),
                                    [id](const auto& one) { return one.second.info.id == id; });
    if (found == book.users.end())
      return {Code::kNotFound, "there is no user " + std::to_string(id)};
    const auto admins = std::count_if(book.users.begin(), book.users.end(), [](const auto& one) {
      return one.second.info.role == Role::kAdmin;
    });
    if (found->second.info.role == Role::kAdmin && admins == 1)
      return {Code::kConflict, "this is the last admin among the users: make another one first"};
    book.users.erase(found);
    return {};
  });
}

Status Accounts::set_password(const std::string& username, std::string_view password) {
  TRY_ASSIGN(std::string hash, hash_password(password));
  return change([&](AccountBook& book) -> Status {
    const auto found = book.users.find(username);
    if (found == book.users.end()) return no_user(username);
    found->second.password = hash;
    ++found->second.generation;
    return {};
  });
}

Status Accounts::set_grants(const std::string& username, std::vector<Grant> grants) {
  return change([&](AccountBook& book) -> Status {
    const auto found = book.users.find(username);
    if (found == book.users.end()) return no_user(username);
    TRY(check_grants(found->second.info.role, grants));
    found->second.info.limits = kept({.namespaces = {}, .grants = grants});
    return {};
  });
}

}  // namespace ferres
