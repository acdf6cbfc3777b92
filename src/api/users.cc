// Users and their login: POST /api/v1/auth/login; GET and POST /api/v1/users, DELETE
// /api/v1/users/{id}, PUT /api/v1/users/{username}/password and .../permissions (API.md 5.8).
// Hashing a password takes some 30 ms, so it is done beside the connections' threads.
#include <charconv>

#include "api/account_answers.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "auth/grants.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr int kLoginsMax = 8;

void write_user(JsonWriter& json, const UserInfo& user) {
  json.begin_object().field("id", user.id).field("username", user.username);
  json.field("role", role_name(user.role)).field("created_at", user.created_at);
  if (user.limits) write_grants(json.key("permissions"), user.limits->grants);
  json.end_object();
}

/// "permissions", null or an array.
Result<std::vector<Grant>> read_permissions(const JsonFields& fields) {
  const JsonValue* const value = fields.find("permissions");
  if (value == nullptr) return std::vector<Grant>();
  return read_grants(*value, "permissions");
}

Result<NewUser> read_user(Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  NewUser user;
  TRY(fields.require("username", user.username));
  TRY(fields.require("password", user.password));
  std::string role = "viewer";
  TRY(fields.read("role", role));
  const auto found = find_role(role);
  if (!found) return Status(Code::kUnprocessable, "role must be viewer, editor or admin");
  user.role = *found;
  TRY_ASSIGN(user.grants, read_permissions(fields));
  return user;
}

Result<std::string> read_password(Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  std::string password;
  TRY(fields.require("password", password));
  return password;
}

struct Credentials {
  std::string username;
  std::string password;
};

Result<Credentials> read_credentials(Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  Credentials credentials;
  TRY(fields.require("username", credentials.username));
  TRY(fields.require("password", credentials.password));
  return credentials;
}

Result<Answer> log_in(Context& context, const Credentials& credentials) {
  TRY_ASSIGN(const Login login, context.accounts.login(credentials.username, credentials.password));
  JsonWriter json;
  json.begin_object().field("token", login.token).field("username", login.username);
  json.field("role", role_name(login.role)).end_object();
  return Answer{.body = json.take()};
}

Result<Answer> add_user(Context& context, const NewUser& user) {
  TRY_ASSIGN(const UserInfo info, context.accounts.make_user(user));
  JsonWriter json;
  write_user(json, info);
  return Answer{.body = json.take()};
}

Result<Answer> change_password(Context& context, const std::string& username,
                               const std::string& password) {
  TRY(context.accounts.set_password(username, password));
  return Answer{.body = R"({"updated":true})"};
}

Result<Answer> change_permissions(Context& context, Call& call) {
  call.about("user:" + call.item);
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY_ASSIGN(std::vector<Grant> grants, read_permissions(fields));
  TRY(context.accounts.set_grants(call.item, std::move(grants)));
  JsonWriter json;
  json.begin_object().field("updated", true).field("username", call.item).end_object();
  return Answer{.body = json.take()};
}

Result<Answer> remove_user(Context& context, const Call& call) {
  uint64_t id = 0;
  const char* const end = call.item.data() + call.item.size();
  const auto [stopped, error] = std::from_chars(call.item.data(), end, id);
  if (error != std::errc() || stopped != end)
    return Status(Code::kInvalidArgument, "a user's id is a whole number, not '" + call.item + "'");
  for (const UserInfo& user : context.accounts.users())
    if (user.id == id) call.about("user:" + user.username);
  TRY(context.accounts.remove_user(id));
  return Answer{.body = R"({"deleted":true,"id":)" + std::to_string(id) + "}"};
}

}  // namespace

void login(Context& context, Call& call, const Reply& reply) {
  Result<Credentials> read = read_credentials(call);
  if (!read.ok()) return reply(error_answer(read.error()));
  call.about("user:" + read->username);
  if (call.audit) call.audit->user = read->username;
  // Anybody may ask, and others wait for the same threads.
  if (context.logins.fetch_add(1) >= kLoginsMax) {
    --context.logins;
    return reply(error_answer(
        Status(Code::kResourceExhausted, "too many logins at once: try again in a moment")));
  }
  context.long_requests.submit([&context, credentials = *std::move(read), reply] {
    Answer answer = account_answer(context, log_in(context, credentials));
    --context.logins;
    reply(std::move(answer));
  });
}

Result<Answer> list_users(Context& context, Call&) {
  if (Status failure = context.accounts.failure(); !failure.ok())
    return account_answer(context, std::move(failure));
  JsonWriter json;
  json.begin_array();
  for (const UserInfo& user : context.accounts.users())
    write_user(json, user);
  json.end_array();
  return Answer{.body = json.take()};
}

void create_user(Context& context, Call& call, const Reply& reply) {
  Result<NewUser> read = read_user(call);
  if (!read.ok()) return reply(error_answer(read.error()));
  call.about("user:" + read->username);
  context.long_requests.submit([&context, user = *std::move(read), reply] {
    reply(account_answer(context, add_user(context, user)));
  });
}

void set_password(Context& context, Call& call, const Reply& reply) {
  call.about("user:" + call.item);
  Result<std::string> read = read_password(call);
  if (!read.ok()) return reply(error_answer(read.error()));
  context.long_requests.submit(
      [&context, username = call.item, password = *std::move(read), reply] {
        reply(account_answer(context, change_password(context, username, password)));
      });
}

Result<Answer> set_permissions(Context& context, Call& call) {
  return account_answer(context, change_permissions(context, call));
}

Result<Answer> delete_user(Context& context, Call& call) {
  return account_answer(context, remove_user(context, call));
}

}  // namespace ferres
