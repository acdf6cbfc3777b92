// POST /api/v1/save (API.md 5.1): checkpoints every changed collection. Takes long, so
// the connection's thread serves others meanwhile.
#include "api/errors.h"
#include "api/handlers.h"

namespace ferres {

void save(Context& context, Call&, const Reply& reply) {
  context.long_requests.submit([&db = context.db, reply] {
    const Status status = db.checkpoint_all();
    reply(status.ok() ? Answer{.body = R"({"ok":true})"} : error_answer(status));
  });
}

}  // namespace ferres
