// POST /api/v1/save (API.md 5.1): checkpoints every changed collection. Heavy, so it runs on the
// executor while the connection's thread serves others.
#include "api/errors.h"
#include "api/handlers.h"

namespace ferres {

void save(Context& context, Call&, const Reply& reply) {
  context.executor.submit([&db = context.db, reply] {
    const Status status = db.checkpoint_all();
    reply(status.ok() ? Answer{.body = R"({"ok":true})"} : error_answer(status));
  });
}

}  // namespace ferres
