// The HTTP/1.1 transport: connections, parsing, limits, timeouts, keep-alive, shutdown. It knows no
// route and no JSON; what a request means is HttpHandler's business. All of Boost stays in http.cc.
//
// One acceptor hands each connection to the I/O thread that has the fewest. A connection lives on
// its thread, one request at a time (pipelined ones wait in its buffer), and handlers run on that
// thread too: a search is answered where it was parsed. A handler that must wait returns at once
// and replies later from any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/streams.h"
#include "base/status.h"

namespace ferres {

struct HttpOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: any free one
  size_t threads = 2;
  size_t connections_max = 16384;
  uint64_t body_bytes_max = 64ull << 20;
  uint64_t header_bytes_max = 32ull << 10;
  uint64_t inflight_bytes_max = 1ull << 30;  // of large request bodies, all connections together
  uint64_t request_seconds_max = 60;         // from a request's first byte to its last
  uint64_t idle_seconds_max = 300;           // between two requests of a connection
};

/// A parsed request. The views hold until the reply is given.
struct HttpRequest {
  std::string_view method;
  std::string_view target;  // path and query, as sent
  std::optional<std::string_view> authorization;
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> origin;
  std::optional<std::string_view> host;
  std::optional<std::string_view> namespace_header;
  std::string_view client_ip = {};
  std::optional<std::string_view> preflight_method;  // Access-Control-Request-Method
  std::string body;                                  // empty when it is streamed
};

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string headers;  // further lines, each ending with CRLF
  std::string body;
  std::shared_ptr<BodySource> source = {};  // in place of body
};

class HttpHandler {
 public:
  using Reply = std::function<void(HttpResponse)>;
  virtual ~HttpHandler() = default;
  /// Whether the body of such a request goes to a sink while it arrives; it may be of any length.
  virtual bool streams(std::string_view method, std::string_view target) const = 0;
  /// Calls reply exactly once, at once or later, from any thread. Returns what takes the body of a
  /// request that streams; nothing when it was answered without. When the client goes away first,
  /// the sink is dropped, and then no reply is needed.
  virtual std::shared_ptr<BodySink> handle(HttpRequest request, Reply reply) = 0;
  /// The answer to what the transport itself refuses (malformed, too large, too slow).
  virtual HttpResponse refuse(int status, std::string_view message) = 0;
};

class HttpServer {
 public:
  /// Listens and serves until stopped. kConflict when the port is taken.
  static Result<std::unique_ptr<HttpServer>> start(const HttpOptions& options,
                                                   HttpHandler& handler);
  /// As stop(0) when not stopped before.
  virtual ~HttpServer() = default;

  virtual uint16_t port() const = 0;
  virtual size_t connections() const = 0;
  /// Takes no new connection, closes idle ones, lets running requests end for at most
  /// drain_seconds, then closes the rest. Returns false when some had to be cut.
  virtual bool stop(uint64_t drain_seconds) = 0;
};

}  // namespace ferres
