// The settings of the cloud and their operations: GET and PUT /api/v1/admin/settings/cloud
// (API.md 5.9). The secret goes in and never comes out.
#include "api/cloud_settings.h"

#include "api/handlers.h"
#include "backup/credentials.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr uint64_t kFileBytesMax = 1 << 20;

void take_keys(const S3Target& from, S3Target& to) {
  to.access_key_id = from.access_key_id;
  to.secret_access_key = from.secret_access_key;
  to.session_token = from.session_token;
}

bool has_keys(const S3Target& target) {
  return !target.access_key_id.empty() && !target.secret_access_key.empty();
}

}  // namespace

Result<std::optional<S3Target>> CloudSettings::stored() {
  if (!files_.exists(path_)) return std::optional<S3Target>();
  TRY_ASSIGN(std::string text, read_file(files_, path_, kFileBytesMax));
  S3Target target;
  const auto read = [&]() -> Status {
    TRY_ASSIGN(const JsonValue body, parse_body(text));
    TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
    TRY(fields.require("region", target.region));
    TRY(fields.require("bucket", target.bucket));
    TRY(fields.require("endpoint", target.endpoint));
    TRY(fields.require("access_key_id", target.access_key_id));
    return fields.require("secret_access_key", target.secret_access_key);
  };
  if (const Status status = read(); !status.ok()) {
    return Status(Code::kCorruption, path_ + " is damaged (" + std::string(status.message()) +
                                         "): remove it and set the cloud's settings again");
  }
  return std::optional(std::move(target));
}

Result<S3Target> CloudSettings::in_force() {
  S3Target target = settings_.target;
  TRY_ASSIGN(const std::optional<S3Target> kept, stored());
  if (kept) {
    target.region = kept->region;
    target.bucket = kept->bucket;
    target.endpoint = kept->endpoint;
    if (has_keys(*kept)) take_keys(*kept, target);
  }
  if (has_keys(target) || settings_.credentials_file.empty()) return target;
  const auto text = read_file(files_, settings_.credentials_file, kFileBytesMax);
  if (!text.ok()) return target;
  auto credentials = parse_credentials(*text, settings_.profile);
  if (!credentials.ok()) return target;
  target.access_key_id = std::move(credentials->access_key_id);
  target.secret_access_key = std::move(credentials->secret_access_key);
  target.session_token = std::move(credentials->session_token);
  return target;
}

Result<S3Target> CloudSettings::target() {
  const MutexLock lock(mutex_);
  return in_force();
}

Status CloudSettings::update(const CloudUpdate& update) {
  const MutexLock lock(mutex_);
  TRY_ASSIGN(S3Target target, in_force());
  TRY_ASSIGN(const std::optional<S3Target> kept, stored());
  target.region = update.region.value_or(target.region);
  target.bucket = update.bucket.value_or(target.bucket);
  target.endpoint = update.endpoint.value_or(target.endpoint);
  S3Target keys;  // none: those of the settings stay in force, and are not copied
  if (kept) take_keys(*kept, keys);
  const bool new_key = update.access_key_id && *update.access_key_id != target.access_key_id;
  if (new_key && !update.secret_access_key)
    return {Code::kInvalidArgument, "a new access_key_id needs its secret_access_key"};
  if (update.secret_access_key) {
    keys.access_key_id = update.access_key_id.value_or(target.access_key_id);
    keys.secret_access_key = *update.secret_access_key;
    take_keys(keys, target);
  }
  TRY(check_target(target));
  JsonWriter json;
  json.begin_object().field("region", target.region).field("bucket", target.bucket);
  json.field("endpoint", target.endpoint).field("access_key_id", keys.access_key_id);
  json.field("secret_access_key", keys.secret_access_key).end_object();
  return write_secret_file_atomic(files_, path_, as_bytes(json.text()));
}

Result<Answer> get_cloud_settings(Context& context, Call&) {
  TRY_ASSIGN(const S3Target target, context.cloud.target());
  JsonWriter json;
  json.begin_object().field("region", target.region).field("bucket", target.bucket);
  json.field("endpoint", target.endpoint).field("access_key_id", target.access_key_id);
  json.end_object();
  return Answer{.body = json.take()};
}

Result<Answer> put_cloud_settings(Context& context, Call& call) {
  CloudUpdate update;
  {
    TRY_ASSIGN(const JsonValue body, parse_body(call.body));
    TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
    TRY(fields.read("region", update.region));
    TRY(fields.read("bucket", update.bucket));
    TRY(fields.read("endpoint", update.endpoint));
    TRY(fields.read("access_key_id", update.access_key_id));
    TRY(fields.read("secret_access_key", update.secret_access_key));
  }
  TRY(context.cloud.update(update));
  return Answer{.body = R"({"ok":true})"};
}

}  // namespace ferres
