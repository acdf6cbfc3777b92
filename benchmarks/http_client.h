// A keep-alive HTTP/1.1 client, as small as a load generator wants it: one blocking socket, one
// request at a time, answers with a Content-Length. One thread owns it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ferres::bench {

struct Url {
  std::string host;
  std::string port;
};
/// "http://host:port" or "http://host".
Result<Url> parse_url(std::string_view text);

struct HttpAnswer {
  int status = 0;
  std::string_view body;  // valid until the next request
};

class HttpClient {
 public:
  /// key may be empty: no Authorization header then.
  static Result<std::unique_ptr<HttpClient>> connect(const Url& url, const std::string& key);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// kIo when the connection broke; any status is an answer.
  Result<HttpAnswer> request(std::string_view method, std::string_view path, std::string_view body);

 private:
  HttpClient(int socket, std::string headers) : socket_(socket), headers_(std::move(headers)) {}
  Status send_all(std::string_view data);
  Status receive_more();

  int socket_;
  std::string headers_;  // the same for every request
  std::string out_;
  std::string in_;
};

}  // namespace ferres::bench
