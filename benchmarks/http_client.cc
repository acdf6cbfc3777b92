// Implements http_client.h on POSIX sockets.
#include "http_client.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ferres::bench {
namespace {

Status broken(const char* what) {
  return {Code::kIo, what};
}

/// The value of a header in lower case, or nothing. Heads are short, so no map.
std::string_view header_value(std::string_view head, std::string_view name) {
  for (size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at)) {
    at += 2;
    const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    bool same = true;
    for (size_t i = 0; i < name.size(); ++i)
      same = same && (line[i] | 0x20) == name[i];
    if (same) return line.substr(line.find_first_not_of(' ', name.size() + 1));
  }
  return {};
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) {
    return Status(Code::kInvalidArgument, "url: must begin with http://");
  }
  text.remove_prefix(kScheme.size());
  text = text.substr(0, text.find('/'));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Url{std::string(text), "80"};
  return Url{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

Result<std::unique_ptr<HttpClient>> HttpClient::connect(const Url& url, const std::string& key) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found) != 0) {
    return Status(Code::kIo, "url: unknown host " + url.host);
  }
  int socket = -1;
  for (const addrinfo* at = found; at != nullptr && socket < 0; at = at->ai_next) {
    socket = ::socket(at->ai_family, at->ai_socktype, at->ai_protocol);
    if (socket >= 0 && ::connect(socket, at->ai_addr, at->ai_addrlen) != 0) {
      ::close(socket);
      socket = -1;
    }
  }
  freeaddrinfo(found);
  if (socket < 0) return Status(Code::kIo, "cannot connect to " + url.host + ":" + url.port);
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  std::string headers = fmt::format(" HTTP/1.1\r\nHost: {}:{}\r\n", url.host, url.port);
  if (!key.empty()) headers += "Authorization: Bearer " + key + "\r\n";
  headers += "Content-Type: application/json\r\nContent-Length: ";
  return std::unique_ptr<HttpClient>(new HttpClient(socket, std::move(headers)));
}

HttpClient::~HttpClient() {
  ::close(socket_);
}

Status HttpClient::send_all(std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return broken("the server closed the connection while it was sent a request");
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

Status HttpClient::receive_more() {
  std::array<char, 16384> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by recv
  const ssize_t got = ::recv(socket_, piece.data(), piece.size(), 0);
  if (got <= 0) return broken("the server closed the connection before it answered");
  in_.append(piece.data(), static_cast<size_t>(got));
  return {};
}

Result<HttpAnswer> HttpClient::request(std::string_view method, std::string_view path,
                                       std::string_view body) {
  out_.assign(method).append(" ").append(path).append(headers_);
  out_.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  TRY(send_all(out_));
  in_.clear();
  size_t head_end = std::string::npos;
  while ((head_end = in_.find("\r\n\r\n")) == std::string::npos)
    TRY(receive_more());
  head_end += 4;
  const std::string head = in_.substr(0, head_end);
  HttpAnswer answer;
  if (head.size() < 12 ||
      std::from_chars(head.data() + 9, head.data() + 12, answer.status).ec != std::errc()) {
    return broken("the answer is not HTTP/1.1");
  }
  const std::string_view length = header_value(head, "content-length");
  size_t size = 0;
  if (answer.status != 204 && answer.status != 304 &&
      std::from_chars(length.data(), length.data() + length.size(), size).ec != std::errc()) {
    return broken("the answer has no Content-Length");
  }
  while (in_.size() < head_end + size)
    TRY(receive_more());
  answer.body = std::string_view(in_).substr(head_end, size);
  return answer;
}

}  // namespace ferres::bench
