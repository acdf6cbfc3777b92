// The table of operations.
#include "api/operations.h"

#include <array>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/min_lsn.h"

namespace ferres {
namespace {

/// An operation that answers before it returns.
template <Result<Answer> (*kRun)(Context&, Call&)>
void at_once(Context& context, Call& call, const Reply& reply) {
  Result<Answer> answer = kRun(context, call);
  reply(answer.ok() ? *std::move(answer) : error_answer(answer.error()));
}

/// A read that min_lsn may hold back.
template <Handler kRun>
void seeing(Context& context, Call& call, const Reply& reply) {
  when_applied(context, call, reply, kRun);
}

using P = Permission;
using R = Reach;
using V = Verb;
constexpr Body kNone = Body::kNone;
constexpr Body kJson = Body::kJson;
constexpr Body kLines = Body::kLines;
constexpr bool kReads = false;
constexpr bool kWrites = true;
#define COLLECTION "/api/v1/collections/:name"
constexpr std::array kOperations = {
    Operation{"health", V::kGet, "/health", P::kPublic, R::kServer, kReads, kNone,
              at_once<get_health>},
    Operation{"metrics", V::kGet, "/metrics", P::kPublic, R::kServer, kReads, kNone,
              at_once<get_metrics>},
    Operation{"save", V::kPost, "/api/v1/save", P::kAny, R::kServer, kReads, kNone, save},
    Operation{"restore", V::kPost, "/api/v1/admin/restore", P::kAdmin, R::kAll, kWrites, kJson,
              restore},
    Operation{"restore_points", V::kGet, "/api/v1/admin/restore/points", P::kAdmin, R::kAll, kReads,
              kNone, at_once<get_restore_points>},
    Operation{"tasks", V::kGet, "/api/v1/admin/tasks", P::kAdmin, R::kAll, kReads, kNone,
              at_once<list_tasks>},
    Operation{"backup", V::kPost, "/api/v1/admin/backup", P::kAdmin, R::kAll, kWrites, kNone,
              backup},
    Operation{"list_backups", V::kGet, "/api/v1/admin/backups", P::kAdmin, R::kAll, kReads, kNone,
              list_backups},
    Operation{"restore_backup", V::kPost, "/api/v1/admin/restore/backup", P::kAdmin, R::kAll,
              kWrites, kJson, restore_backup},
    Operation{"get_cloud_settings", V::kGet, "/api/v1/admin/settings/cloud", P::kAdmin, R::kAll,
              kReads, kNone, at_once<get_cloud_settings>},
    Operation{"put_cloud_settings", V::kPut, "/api/v1/admin/settings/cloud", P::kAdmin, R::kAll,
              kWrites, kJson, at_once<put_cloud_settings>},
    Operation{"test_s3", V::kPost, "/api/v1/admin/settings/test-s3", P::kAdmin, R::kAll, kWrites,
              kNone, test_s3},
    Operation{"cancel_task", V::kDelete, "/api/v1/admin/tasks/:id", P::kAdmin, R::kAll, kReads,
              kNone, at_once<cancel_task>},
    Operation{"checkpoint", V::kPost, "/api/v1/admin/checkpoint", P::kAdmin, R::kAll, kReads, kJson,
              checkpoint},
    Operation{"cluster", V::kGet, "/api/v1/cluster", P::kAny, R::kServer, kReads, kNone,
              at_once<get_cluster>},
    Operation{"global_stats", V::kGet, "/api/v1/stats/global", P::kAny, R::kAll, kReads, kNone,
              at_once<get_global_stats>},
    Operation{"login", V::kPost, "/api/v1/auth/login", P::kPublic, R::kServer, kReads, kJson,
              login},
    Operation{"list_keys", V::kGet, "/api/v1/keys", P::kEditor, R::kAll, kReads, kNone,
              at_once<list_keys>},
    Operation{"create_key", V::kPost, "/api/v1/keys", P::kEditor, R::kAll, kWrites, kJson,
              at_once<create_key>},
    Operation{"rotate_key", V::kPost, "/api/v1/keys/:id/rotate", P::kEditor, R::kAll, kWrites,
              kNone, at_once<rotate_key>},
    Operation{"update_key", V::kPut, "/api/v1/keys/:id", P::kEditor, R::kAll, kWrites, kJson,
              at_once<update_key>},
    Operation{"delete_key", V::kDelete, "/api/v1/keys/:id", P::kEditor, R::kAll, kWrites, kNone,
              at_once<delete_key>},
    Operation{"list_users", V::kGet, "/api/v1/users", P::kAdmin, R::kAll, kReads, kNone,
              at_once<list_users>},
    Operation{"create_user", V::kPost, "/api/v1/users", P::kAdmin, R::kAll, kWrites, kJson,
              create_user},
    Operation{"set_password", V::kPut, "/api/v1/users/:user/password", P::kAdmin, R::kAll, kWrites,
              kJson, set_password},
    Operation{"set_permissions", V::kPut, "/api/v1/users/:user/permissions", P::kAdmin, R::kAll,
              kWrites, kJson, at_once<set_permissions>},
    Operation{"delete_user", V::kDelete, "/api/v1/users/:id", P::kAdmin, R::kAll, kWrites, kNone,
              at_once<delete_user>},
    Operation{"audit", V::kGet, "/api/v1/audit", P::kAdmin, R::kAll, kReads, kNone, get_audit},
    Operation{"create_collection", V::kPost, "/api/v1/collections", P::kCreate, R::kServer, kWrites,
              kJson, at_once<create_collection>},
    Operation{"list_collections", V::kGet, "/api/v1/collections", P::kAny, R::kScoped, kReads,
              kNone, at_once<list_collections>},
    Operation{"get_collection", V::kGet, COLLECTION, P::kRead, R::kScoped, kReads, kNone,
              at_once<get_collection>},
    Operation{"patch_collection", V::kPatch, COLLECTION, P::kAdmin, R::kAll, kWrites, kJson,
              at_once<patch_collection>},
    Operation{"delete_collection", V::kDelete, COLLECTION, P::kDelete, R::kAll, kWrites, kNone,
              at_once<delete_collection>},
    Operation{"collection_stats", V::kGet, COLLECTION "/stats", P::kRead, R::kAll, kReads, kNone,
              seeing<at_once<get_collection_stats>>},
    Operation{"collection_tiers", V::kGet, COLLECTION "/tiers", P::kRead, R::kAll, kReads, kNone,
              seeing<at_once<get_collection_tiers>>},
    Operation{"start_reindex", V::kPost, COLLECTION "/reindex", P::kWrite, R::kAll, kWrites, kNone,
              at_once<start_reindex>},
    Operation{"list_reindex_jobs", V::kGet, COLLECTION "/reindex", P::kRead, R::kAll, kReads, kNone,
              at_once<list_reindex_jobs>},
    Operation{"get_reindex_job", V::kGet, COLLECTION "/reindex/:id", P::kRead, R::kAll, kReads,
              kNone, at_once<get_reindex_job>},
    Operation{"upsert_points", V::kPost, COLLECTION "/points", P::kWrite, R::kScoped, kWrites,
              kJson, upsert_points},
    Operation{"delete_points", V::kDelete, COLLECTION "/points", P::kWrite, R::kScoped, kWrites,
              kJson, delete_points},
    Operation{"delete_points", V::kPost, COLLECTION "/points/delete", P::kWrite, R::kScoped,
              kWrites, kJson, delete_points},
    Operation{"list_points", V::kGet, COLLECTION "/points", P::kRead, R::kScoped, kReads, kNone,
              seeing<at_once<list_points>>},
    Operation{"count_points", V::kPost, COLLECTION "/points/count", P::kRead, R::kScoped, kReads,
              kJson, seeing<at_once<count_points>>},
    Operation{"link_points", V::kPost, COLLECTION "/points/link", P::kWrite, R::kScoped, kWrites,
              kJson, link_points},
    Operation{"unlink_points", V::kDelete, COLLECTION "/points/link", P::kWrite, R::kScoped,
              kWrites, kJson, unlink_points},
    Operation{"subgraph", V::kGet, COLLECTION "/graph/subgraph", P::kRead, R::kScoped, kReads,
              kNone, seeing<at_once<get_subgraph>>},
    Operation{"search_connected", V::kPost, COLLECTION "/search/connected", P::kRead, R::kScoped,
              kReads, kJson, seeing<at_once<search_connected>>},
    Operation{"get_point", V::kGet, COLLECTION "/points/*id", P::kRead, R::kScoped, kReads, kNone,
              seeing<at_once<get_point>>},
    Operation{"list_namespaces", V::kGet, COLLECTION "/namespaces", P::kRead, R::kScoped, kReads,
              kNone, seeing<list_namespaces>},
    Operation{"snapshot_namespace", V::kPost, COLLECTION "/namespaces/:ns/snapshot", P::kWrite,
              R::kScoped, kWrites, kNone, snapshot_namespace},
    Operation{"delete_namespace", V::kDelete, COLLECTION "/namespaces/*ns", P::kDelete, R::kScoped,
              kWrites, kNone, delete_namespace},
    Operation{"export_points", V::kPost, COLLECTION "/export", P::kRead, R::kScoped, kReads, kJson,
              seeing<export_points>},
    Operation{"import_points", V::kPost, COLLECTION "/import", P::kWrite, R::kScoped, kWrites,
              kLines, import_points},
    Operation{"search", V::kPost, COLLECTION "/search", P::kRead, R::kScoped, kReads, kJson,
              seeing<at_once<search_points>>},
    Operation{"explain_search", V::kPost, COLLECTION "/search/explain", P::kRead, R::kScoped,
              kReads, kJson, seeing<at_once<explain_search>>},
    Operation{"estimate_search", V::kPost, COLLECTION "/search/estimate", P::kRead, R::kScoped,
              kReads, kJson, at_once<estimate_search_cost>},
};
#undef COLLECTION

struct AuditedOperation {
  std::string_view operation;
  Audited audited;
};

// Actions as API.md 11.3 names them, and ours.
constexpr std::array kAudited = {
    AuditedOperation{"save", {"save", "system:collections"}},
    AuditedOperation{"restore", {"restore_to_timestamp", "system:restore"}},
    AuditedOperation{"backup", {"backup_to_s3", "system:backup"}},
    AuditedOperation{"restore_backup", {"restore_backup", "system:restore"}},
    AuditedOperation{"put_cloud_settings", {"cloud_settings_set", "system:backup"}},
    AuditedOperation{"cancel_task", {"cancel_task", "system:tasks"}},
    AuditedOperation{"login", {"login", ""}},
    AuditedOperation{"create_key", {"create_api_key", ""}},
    AuditedOperation{"rotate_key", {"rotate_api_key", ""}},
    AuditedOperation{"update_key", {"update_api_key_namespaces", ""}},
    AuditedOperation{"delete_key", {"delete_api_key", ""}},
    AuditedOperation{"create_user", {"create_user", ""}},
    AuditedOperation{"set_password", {"update_password", ""}},
    AuditedOperation{"set_permissions", {"update_permissions", ""}},
    AuditedOperation{"delete_user", {"delete_user", ""}},
    AuditedOperation{"create_collection", {"create_collection", ""}},
    AuditedOperation{"patch_collection", {"patch_collection_retention", ""}},
    AuditedOperation{"delete_collection", {"delete_collection", ""}},
    AuditedOperation{"upsert_points", {"upsert", ""}},
    AuditedOperation{"delete_points", {"delete_points", ""}},
    AuditedOperation{"delete_namespace", {"delete_namespace", ""}},
    AuditedOperation{"export_points", {"export", ""}},
    AuditedOperation{"import_points", {"import", ""}},
    AuditedOperation{"link_points", {"link_points", ""}},
    AuditedOperation{"unlink_points", {"unlink_points", ""}},
    AuditedOperation{"search", {"search", ""}},
    AuditedOperation{"search_connected", {"search_connected", ""}},
    AuditedOperation{"explain_search", {"search_explain", ""}},
    AuditedOperation{"start_reindex", {"reindex", ""}},
};

}  // namespace

std::string_view verb_name(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "GET";
    case Verb::kPost:
      return "POST";
    case Verb::kPut:
      return "PUT";
    case Verb::kPatch:
      return "PATCH";
    case Verb::kDelete:
      return "DELETE";
  }
  return "";
}

const std::string* Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Call::about(std::string resource) const {
  if (audit) audit->resource = std::move(resource);
}

void Call::detail(std::string json) const {
  if (audit) audit->details_json = std::move(json);
}

std::optional<std::string> Call::ambient_namespace() const {
  const std::string* named = parameter("namespace");
  return named != nullptr && !named->empty() ? std::optional(*named) : namespace_header;
}

Audited audited_as(const Operation& operation) {
  for (const AuditedOperation& row : kAudited)
    if (row.operation == operation.name) return row.audited;
  return {};
}

std::span<const Operation> api_operations() {
  return kOperations;
}

}  // namespace ferres
