// GET /api/v1/cluster (API.md 5.7): one node, itself.
#include "api/handlers.h"
#include "json/writer.h"

namespace ferres {

Result<Answer> get_cluster(Context& context, Call&) {
  JsonWriter json;
  json.begin_object();
  json.field("raft_enabled", false).field("leader_id", "1");
  json.key("nodes").begin_array().begin_object();
  json.field("id", "1").field("addr", std::string_view(context.address)).field("role", "leader");
  json.end_object().end_array().end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
