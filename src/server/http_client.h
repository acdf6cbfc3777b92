// A plain HTTP/1.1 client for the program's own commands: one request at a time, bodies streamed
// both ways, waiting for the server. Main thread only. All of Boost stays in http_client.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ferres {

/// Where a server is, and the key to it.
struct ServerAddress {
  std::string host = "localhost";
  std::string port = "8080";
  std::string api_key;  // may be empty
};
/// From "http://host:port". kInvalidArgument for anything else.
Result<ServerAddress> parse_server_url(std::string_view url);

struct ClientRequest {
  std::string_view verb = "POST";
  std::string target;
  std::string_view content_type = "application/json";
  /// The next bytes of the body; empty when it is whole.
  std::function<Result<std::string>()> body;
  std::optional<uint64_t> body_bytes;  // when they are known
};
struct ClientResponse {
  int status = 0;
  std::string body;  // of any status but 200 when there is a sink
};
/// Gets the bytes of a 200.
using ResponseSink = std::function<Status(std::string_view bytes)>;

/// kUnavailable when the server cannot be reached or the connection breaks, also in the middle of
/// the answer. Without a sink an answer of more than 16 MiB is refused.
Result<ClientResponse> send_request(const ServerAddress& server, const ClientRequest& request,
                                    const ResponseSink& sink);

/// For paths and queries.
std::string percent_encode(std::string_view text);

}  // namespace ferres
