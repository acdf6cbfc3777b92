// The handlers that the operations table names: one function an operation, each in its own file.
// A handler parses the call, runs it and answers; it is called on the thread that parsed the
// request and must not block on other requests.
#pragma once
#include "api/answer.h"
#include "api/context.h"
#include "api/operations.h"
#include "base/status.h"

namespace ferres {

Result<Answer> get_health(Context& context, const Call& call);

}  // namespace ferres
