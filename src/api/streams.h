// Bodies that are not held in memory whole: a source makes an answer while it is sent, a sink takes
// a request while it arrives. The transport pulls and pushes as fast as its peer does, holds no
// thread meanwhile, and destroys either early when the peer is gone. One call at a time, from any
// thread.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/status.h"

namespace ferres {

class BodySource {
 public:
  virtual ~BodySource() = default;
  /// The next bytes, some 64 KiB; perhaps empty, when finding them took long; nothing: the body is
  /// whole. After an error the peer sees that it is cut.
  virtual Result<std::optional<std::string>> next() = 0;
};

class BodySink {
 public:
  virtual ~BodySink() = default;
  /// Calls `more` exactly once, at once or later and from any thread, when it wants further bytes.
  virtual void write(std::string bytes, std::function<void()> more) = 0;
  /// All bytes were given. The reply follows.
  virtual void end() = 0;
};

}  // namespace ferres
