// The book as JSON, and its index.
#include "auth/account_book.h"

#include <algorithm>
#include <cstring>

#include "auth/grants.h"

namespace ferres {
namespace {

constexpr uint64_t kFormat = 1;
// Clients may keep ids in 32 bits with a sign.
constexpr uint64_t kSettingsIds = 1ull << 30;

uint64_t first_bytes(const KeyHash& hash) {
  uint64_t bytes = 0;
  std::memcpy(&bytes, hash.data(), sizeof(bytes));
  return bytes;
}

/// The first characters of a key that somebody chose, who may have chosen a short one, of any
/// characters: of a short one a third, in plain ASCII.
std::string told_prefix(std::string_view key) {
  std::string prefix(key.substr(0, key.size() >= 16 ? 8 : key.size() / 3));
  for (char& c : prefix)
    if (c < ' ' || c > '~') c = '?';
  return prefix + "...";
}

void write_limits(JsonWriter& json, const std::shared_ptr<const Limits>& limits) {
  if (!limits) return;
  if (!limits->namespaces.empty()) write_strings(json.key("namespaces"), limits->namespaces);
  if (!limits->grants.empty()) write_grants(json.key("permissions"), limits->grants);
}

Result<std::shared_ptr<const Limits>> read_limits(const JsonFields& fields) {
  Limits limits;
  if (const JsonValue* namespaces = fields.find("namespaces")) {
    TRY_ASSIGN(limits.namespaces, read_namespaces(*namespaces, fields.path("namespaces")));
  }
  if (const JsonValue* grants = fields.find("permissions")) {
    TRY_ASSIGN(limits.grants, read_grants(*grants, fields.path("permissions")));
  }
  if (limits == Limits()) return std::shared_ptr<const Limits>();
  return std::shared_ptr<const Limits>(std::make_shared<Limits>(std::move(limits)));
}

Status read_hash(const JsonFields& fields, std::string_view name, KeyHash& hash) {
  std::string hex;
  TRY(fields.require(name, hex));
  const auto read = hash_from_hex(hex);
  if (!read) return Status(Code::kCorruption, "a hash is not one: " + fields.path(name));
  hash = *read;
  return {};
}

Status read_role(const JsonFields& fields, Role& role) {
  std::string name;
  TRY(fields.require("role", name));
  const auto found = find_role(name);
  if (!found) return Status(Code::kCorruption, "there is no role '" + name + "'");
  role = *found;
  return {};
}

Result<AccountKey> read_key(const JsonFields& fields) {
  AccountKey key;
  TRY(fields.require("id", key.info.id));
  TRY(fields.require("name", key.info.name));
  TRY(fields.require("prefix", key.info.prefix));
  TRY(fields.require("created_at", key.info.created_at));
  TRY(fields.read("made_by", key.info.made_by));
  TRY(fields.read("expires_at", key.info.expires_at));
  TRY(read_role(fields, key.info.role));
  TRY(read_hash(fields, "sha256", key.hash));
  if (fields.find("old_sha256") != nullptr) {
    TRY(read_hash(fields, "old_sha256", key.old_hash.emplace()));
    TRY(fields.require("old_until", key.info.old_key_until.emplace()));
  }
  TRY_ASSIGN(key.info.limits, read_limits(fields));
  return key;
}

Result<AccountUser> read_user(const JsonFields& fields) {
  AccountUser user;
  TRY(fields.require("id", user.info.id));
  TRY(fields.require("username", user.info.username));
  TRY(fields.require("created_at", user.info.created_at));
  TRY(fields.require("password", user.password));
  TRY(fields.require("generation", user.generation));
  TRY(read_role(fields, user.info.role));
  TRY_ASSIGN(user.info.limits, read_limits(fields));
  return user;
}

/// Calls each(fields) for every object of an array.
template <class Each>
Status for_objects(const JsonFields& fields, std::string_view name, const Each& each) {
  TRY_ASSIGN(const JsonValue value, fields.require(name));
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS)
    return Status(Code::kCorruption, "what stands under '" + std::string(name) + "' is no array");
  for (const JsonValue item : array) {
    TRY_ASSIGN(const JsonFields one, JsonFields::of(item, std::string(name)));
    TRY(each(one));
  }
  return {};
}

void write_key(JsonWriter& json, const AccountKey& key) {
  json.begin_object().field("id", key.info.id).field("name", key.info.name);
  json.field("prefix", key.info.prefix).field("role", role_name(key.info.role));
  json.field("created_at", key.info.created_at).field("made_by", key.info.made_by);
  if (key.info.expires_at) json.field("expires_at", *key.info.expires_at);
  json.field("sha256", to_hex(key.hash));
  if (key.old_hash) {
    json.field("old_sha256", to_hex(*key.old_hash));
    json.field("old_until", key.info.old_key_until.value_or(0));
  }
  write_limits(json, key.info.limits);
  json.end_object();
}

}  // namespace

void AccountBook::index() {
  by_hash_.clear();
  for (const auto& [id, key] : keys) {
    by_hash_.emplace(first_bytes(key.hash), &key);
    if (key.old_hash) by_hash_.emplace(first_bytes(*key.old_hash), &key);
  }
}

const AccountKey* AccountBook::find(const KeyHash& hash) const {
  const auto [begin, end] = by_hash_.equal_range(first_bytes(hash));
  for (auto at = begin; at != end; ++at) {
    const AccountKey* const key = at->second;
    if (same_hash(key->hash, hash) || (key->old_hash && same_hash(*key->old_hash, hash)))
      return key;
  }
  return nullptr;
}

AccountKey settings_key(std::string_view key) {
  AccountKey row;
  row.hash = hash_key(key);
  row.info.id = kSettingsIds + first_bytes(row.hash) % kSettingsIds;
  row.info.name = "bootstrap-" + to_hex(row.hash).substr(0, 8);
  row.info.prefix = told_prefix(key);
  row.info.of_settings = true;
  return row;
}

std::string account_book_json(const AccountBook& book) {
  JsonWriter json;
  json.begin_object().field("format", kFormat).field("token_secret", book.token_secret);
  json.field("next_key", book.next_key).field("next_user", book.next_user);
  json.key("keys").begin_array();
  for (const auto& [id, key] : book.keys)
    if (!key.info.of_settings) write_key(json, key);
  json.end_array().key("users").begin_array();
  for (const auto& [name, user] : book.users) {
    json.begin_object().field("id", user.info.id).field("username", name);
    json.field("role", role_name(user.info.role)).field("created_at", user.info.created_at);
    json.field("password", user.password).field("generation", user.generation);
    write_limits(json, user.info.limits);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take();
}

Result<AccountBook> read_account_book(std::string json) {
  TRY_ASSIGN(const JsonValue value, parse_body(json));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(value));
  uint64_t format = 0;
  TRY(fields.require("format", format));
  if (format > kFormat) return Status(Code::kUnimplemented, "is of a newer version of FerresDB");
  AccountBook book;
  TRY(fields.require("token_secret", book.token_secret));
  TRY(fields.require("next_key", book.next_key));
  TRY(fields.require("next_user", book.next_user));
  TRY(for_objects(fields, "keys", [&book](const JsonFields& one) -> Status {
    TRY_ASSIGN(AccountKey key, read_key(one));
    book.keys.emplace(key.info.id, std::move(key));
    return {};
  }));
  TRY(for_objects(fields, "users", [&book](const JsonFields& one) -> Status {
    TRY_ASSIGN(AccountUser user, read_user(one));
    book.users.emplace(user.info.username, std::move(user));
    return {};
  }));
  return book;
}

}  // namespace ferres
