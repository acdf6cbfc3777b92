// For tests: a plain socket to a server on this machine, and what it answers. Included by tests
// alone.
#pragma once
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ferres {

class TestClient {
 public:
  explicit TestClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~TestClient() { ::close(socket_); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool connected() const { return connected_; }

  /// False when the server closed before everything was sent.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  /// One response, head and body; "" when the server closed first.
  std::string receive() {
    size_t head = std::string::npos;
    while ((head = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return "";
    }
    const size_t at = buffer_.find("Content-Length: ");
    const size_t length = at < head ? std::stoul(buffer_.substr(at + 16)) : 0;
    while (buffer_.size() < head + 4 + length) {
      if (!more()) return "";
    }
    std::string response = buffer_.substr(0, head + 4 + length);
    buffer_.erase(0, response.size());
    return response;
  }
  std::string ask(std::string_view text) {
    send(text);
    return receive();
  }
  /// True when the server has closed and nothing is left to read.
  bool closed() { return buffer_.empty() && !more(); }

 private:
  bool more() {
    char bytes[4096];
    const ssize_t got = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  int socket_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace ferres
