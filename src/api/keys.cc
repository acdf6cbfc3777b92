// API keys: GET and POST /api/v1/keys, PUT and DELETE /api/v1/keys/{id}, POST .../rotate
// (API.md 5.8, 16.1, 16.2). An editor makes keys that may do no more than itself, and sees its own
// alone.
#include <charconv>

#include "api/account_answers.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "auth/grants.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr uint64_t kGraceDefault = 24ull * 3600;
constexpr uint64_t kGraceMax = 90ull * 24 * 3600;

bool is_own(const KeyInfo& info, const Principal& who) {
  return who.role == Role::kAdmin || (!who.account.empty() && info.made_by == who.account);
}

/// Whether a key may do no more than its maker may now, who may have been able to do more once.
bool is_within(const KeyInfo& info, const Principal& who) {
  if (who.role == Role::kAdmin) return true;
  const std::vector<Grant> none;
  const std::vector<Grant>& own = who.limits ? who.limits->grants : none;
  const std::vector<Grant>& given = info.limits ? info.limits->grants : none;
  return info.role <= who.role && (own.empty() || own == given);
}

void write_key_fields(JsonWriter& json, const KeyInfo& info) {
  json.field("id", info.id).field("name", info.name).field("key_prefix", info.prefix);
  json.field("created_at", info.created_at).field("role", role_name(info.role));
  if (info.limits && !info.limits->namespaces.empty())
    write_strings(json.key("allowed_namespaces"), info.limits->namespaces);
  if (info.limits && !info.limits->grants.empty())
    write_grants(json.key("permissions"), info.limits->grants);
  if (info.expires_at) json.field("expires_at", *info.expires_at);
  if (info.old_key_until) json.field("old_key_until", *info.old_key_until);
  if (!info.made_by.empty()) json.field("made_by", info.made_by);
}

Answer made_answer(const MadeKey& made) {
  JsonWriter json;
  json.begin_object().field("key", made.key);
  write_key_fields(json, made.info);
  json.end_object();
  return {.body = json.take()};
}

Result<uint64_t> id_of(const Call& call) {
  uint64_t id = 0;
  const char* const end = call.item.data() + call.item.size();
  const auto [stopped, error] = std::from_chars(call.item.data(), end, id);
  if (error != std::errc() || stopped != end)
    return Status(Code::kInvalidArgument, "a key's id is a whole number, not '" + call.item + "'");
  return id;
}

/// The key, as long as it is the caller's to change.
Result<KeyInfo> own_key(const Context& context, const Call& call) {
  TRY_ASSIGN(const uint64_t id, id_of(call));
  for (KeyInfo& info : context.accounts.keys()) {
    if (info.id != id || !is_own(info, call.principal)) continue;
    call.about("api_key:" + info.name);
    call.detail("{\"id\":" + std::to_string(id) + "}");
    return std::move(info);
  }
  return Status(Code::kNotFound, "there is no API key " + std::to_string(id));
}

Status check_within(const KeyInfo& info, const Principal& who) {
  if (is_within(info, who)) return {};
  return {Code::kForbidden, "this key may do more than you may: it can only be deleted"};
}

Status read_role(const JsonFields& fields, const Principal& maker, std::optional<Role>& role) {
  std::optional<std::string> name;
  TRY(fields.read("role", name));
  if (!name) return {};
  role = find_role(*name);
  if (!role) return {Code::kUnprocessable, "role must be viewer, editor or admin"};
  if (*role <= maker.role) return {};
  return {Code::kForbidden,
          "a key's role is at most its maker's, which is " + std::string(role_name(maker.role))};
}

/// What a maker that is bound by grants gives are its own.
Status read_permissions(const JsonFields& fields, const Principal& maker,
                        std::optional<std::vector<Grant>>& grants) {
  const JsonValue* const value = fields.find("permissions");
  if (value == nullptr) return {};
  if (maker.role != Role::kAdmin)
    return {Code::kForbidden, "only an admin chooses a key's permissions"};
  TRY_ASSIGN(grants, read_grants(*value, "permissions"));
  return {};
}

Status read_expiry(const JsonFields& fields, const Context& context,
                   std::optional<uint64_t>& expires_at) {
  TRY(fields.read("expires_at", expires_at));
  if (!expires_at || *expires_at > context.clock.unix_micros() / 1'000'000) return {};
  return {Code::kInvalidArgument, "expires_at is in Unix seconds, and must be in the future"};
}

bool names(const JsonFields& fields, std::string_view key) {
  for (const auto& [name, value] : fields.all())
    if (name == key) return true;
  return false;
}

Result<Answer> list(Context& context, Call& call) {
  TRY(context.accounts.failure());
  JsonWriter json;
  json.begin_array();
  for (const KeyInfo& info : context.accounts.keys()) {
    if (!is_own(info, call.principal)) continue;
    json.begin_object();
    write_key_fields(json, info);
    json.end_object();
  }
  json.end_array();
  return Answer{.body = json.take()};
}

Result<Answer> create(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  NewKey key;
  TRY(fields.require("name", key.name));
  std::optional<Role> role;
  std::optional<std::vector<Grant>> grants;
  TRY(read_role(fields, call.principal, role));
  TRY(read_permissions(fields, call.principal, grants));
  TRY(read_expiry(fields, context, key.expires_at));
  if (const JsonValue* value = fields.find("allowed_namespaces")) {
    TRY_ASSIGN(key.limits.namespaces, read_namespaces(*value, "allowed_namespaces"));
  }
  const Limits* const own = call.principal.limits.get();
  key.role = role.value_or(call.principal.role);
  if (grants) {
    key.limits.grants = *std::move(grants);
  } else if (own != nullptr && key.role != Role::kAdmin) {
    key.limits.grants = own->grants;
  }
  key.made_by = call.principal.account;
  if (const auto& own_end = call.principal.expires_at) {
    if (key.expires_at.value_or(0) > *own_end)
      return Status(Code::kForbidden, "a key that ends makes none that ends later");
    if (!key.expires_at) key.expires_at = own_end;
  }
  call.about("api_key:" + key.name);
  TRY_ASSIGN(const MadeKey made, context.accounts.make_key(std::move(key)));
  call.detail("{\"id\":" + std::to_string(made.info.id) + "}");
  return made_answer(made);
}

Result<Answer> update(Context& context, Call& call) {
  TRY_ASSIGN(const KeyInfo info, own_key(context, call));
  TRY(check_within(info, call.principal));
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  KeyChange change;
  if (const JsonValue* value = fields.find("allowed_namespaces")) {
    TRY_ASSIGN(change.namespaces, read_namespaces(*value, "allowed_namespaces"));
  } else if (names(fields, "allowed_namespaces")) {
    change.namespaces.emplace();  // null: all
  }
  TRY(read_role(fields, call.principal, change.role));
  TRY(read_permissions(fields, call.principal, change.grants));
  std::optional<uint64_t> expires_at;
  TRY(read_expiry(fields, context, expires_at));
  if (names(fields, "expires_at")) change.expires_at = expires_at;
  const auto& own_end = call.principal.expires_at;
  if (change.expires_at && own_end && change.expires_at->value_or(~uint64_t{0}) > *own_end)
    return Status(Code::kForbidden, "a key that ends makes none that ends later");
  if (!change.namespaces && !change.role && !change.grants && !change.expires_at) {
    return Status(Code::kUnprocessable,
                  "missing field 'allowed_namespaces' (or role, permissions, expires_at)");
  }
  TRY(context.accounts.change_key(info.id, change));
  return Answer{.body = R"({"updated":true,"id":)" + std::to_string(info.id) + "}"};
}

Result<Answer> rotate(Context& context, Call& call) {
  TRY_ASSIGN(const KeyInfo info, own_key(context, call));
  TRY(check_within(info, call.principal));
  uint64_t grace = kGraceDefault;
  if (const std::string* text = call.parameter("grace_seconds")) {
    const char* const end = text->data() + text->size();
    const auto [stopped, error] = std::from_chars(text->data(), end, grace);
    if (error != std::errc() || stopped != end || grace > kGraceMax) {
      return Status(Code::kInvalidArgument,
                    "grace_seconds must be between 0 and " + std::to_string(kGraceMax));
    }
  }
  TRY_ASSIGN(const MadeKey made, context.accounts.rotate_key(info.id, grace));
  return made_answer(made);
}

Result<Answer> remove(Context& context, Call& call) {
  TRY_ASSIGN(const KeyInfo info, own_key(context, call));
  TRY(context.accounts.remove_key(info.id));
  return Answer{.body = R"({"deleted":true,"id":)" + std::to_string(info.id) + "}"};
}

}  // namespace

Result<Answer> list_keys(Context& context, Call& call) {
  return account_answer(context, list(context, call));
}
Result<Answer> create_key(Context& context, Call& call) {
  return account_answer(context, create(context, call));
}
Result<Answer> update_key(Context& context, Call& call) {
  return account_answer(context, update(context, call));
}
Result<Answer> rotate_key(Context& context, Call& call) {
  return account_answer(context, rotate(context, call));
}
Result<Answer> delete_key(Context& context, Call& call) {
  return account_answer(context, remove(context, call));
}

}  // namespace ferres
