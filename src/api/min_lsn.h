// Reads that want to see a write (API.md 16.2): "min_lsn", in the query or the body, holds a call
// back until the collection has applied that LSN. Whoever waits holds no thread.
#pragma once
#include "api/operations.h"

namespace ferres {

/// Runs the handler once the collection's LSN is what the call asks for, or answers 412 after its
/// timeout_ms (1000 when it says none). At once for calls without min_lsn.
void when_applied(Context& context, Call& call, const Reply& reply, Handler handler);

}  // namespace ferres
