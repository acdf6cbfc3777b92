// How bytes pass between the parts of a backup: pushed into a sink, pulled from a source. One
// thread.
#pragma once
#include <functional>

#include "base/status.h"
#include "base/types.h"

namespace ferres {

/// Takes the next bytes, all of them.
using ByteSink = std::function<Status(Bytes)>;
/// The next bytes, valid until the next call; none at the end.
using ByteSource = std::function<Result<Bytes>()>;

}  // namespace ferres
