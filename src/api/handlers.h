// The handlers that the operations table names: one file each. A handler parses the call, runs it
// and answers. It is called on the thread that parsed the request and must not wait for other
// requests: writes and heavy work reply later, from an executor's thread.
#pragma once
#include "api/answer.h"
#include "api/context.h"
#include "api/operations.h"
#include "base/status.h"

namespace ferres {

Result<Answer> get_health(Context& context, Call& call);
Result<Answer> get_metrics(Context& context, Call& call);
Result<Answer> get_cluster(Context& context, Call& call);
Result<Answer> get_global_stats(Context& context, Call& call);
void save(Context& context, Call& call, const Reply& reply);

void restore(Context& context, Call& call, const Reply& reply);
Result<Answer> get_restore_points(Context& context, Call& call);
Result<Answer> list_tasks(Context& context, Call& call);
Result<Answer> cancel_task(Context& context, Call& call);
void checkpoint(Context& context, Call& call, const Reply& reply);

void backup(Context& context, Call& call, const Reply& reply);
void list_backups(Context& context, Call& call, const Reply& reply);
void restore_backup(Context& context, Call& call, const Reply& reply);
Result<Answer> get_cloud_settings(Context& context, Call& call);
Result<Answer> put_cloud_settings(Context& context, Call& call);
void test_s3(Context& context, Call& call, const Reply& reply);

void login(Context& context, Call& call, const Reply& reply);
Result<Answer> list_keys(Context& context, Call& call);
Result<Answer> create_key(Context& context, Call& call);
Result<Answer> update_key(Context& context, Call& call);
Result<Answer> rotate_key(Context& context, Call& call);
Result<Answer> delete_key(Context& context, Call& call);
Result<Answer> list_users(Context& context, Call& call);
void create_user(Context& context, Call& call, const Reply& reply);
void set_password(Context& context, Call& call, const Reply& reply);
Result<Answer> set_permissions(Context& context, Call& call);
Result<Answer> delete_user(Context& context, Call& call);

void get_audit(Context& context, Call& call, const Reply& reply);

Result<Answer> create_collection(Context& context, Call& call);
Result<Answer> list_collections(Context& context, Call& call);
Result<Answer> get_collection(Context& context, Call& call);
Result<Answer> patch_collection(Context& context, Call& call);
Result<Answer> delete_collection(Context& context, Call& call);
Result<Answer> get_collection_stats(Context& context, Call& call);
Result<Answer> get_collection_tiers(Context& context, Call& call);
Result<Answer> start_reindex(Context& context, Call& call);
Result<Answer> list_reindex_jobs(Context& context, Call& call);
Result<Answer> get_reindex_job(Context& context, Call& call);

void upsert_points(Context& context, Call& call, const Reply& reply);
void delete_points(Context& context, Call& call, const Reply& reply);
void link_points(Context& context, Call& call, const Reply& reply);
void unlink_points(Context& context, Call& call, const Reply& reply);
Result<Answer> get_subgraph(Context& context, Call& call);
Result<Answer> get_point(Context& context, Call& call);
Result<Answer> list_points(Context& context, Call& call);
Result<Answer> count_points(Context& context, Call& call);
void export_points(Context& context, Call& call, const Reply& reply);
void import_points(Context& context, Call& call, const Reply& reply);

void list_namespaces(Context& context, Call& call, const Reply& reply);
void snapshot_namespace(Context& context, Call& call, const Reply& reply);
void delete_namespace(Context& context, Call& call, const Reply& reply);

Result<Answer> search_points(Context& context, Call& call);
Result<Answer> explain_search(Context& context, Call& call);
Result<Answer> estimate_search_cost(Context& context, Call& call);
Result<Answer> search_connected(Context& context, Call& call);

}  // namespace ferres
