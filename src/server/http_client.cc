// See http_client.h. A request asks for "100 Continue" before its body, so that a refusal comes
// before the work.
#include "server/http_client.h"

#include <array>
#include <charconv>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

namespace ferres {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using Parser = http::response_parser<http::buffer_body>;

constexpr size_t kPieceBytes = 64 << 10;
constexpr size_t kAnswerBytesMax = 16 << 20;

class Exchange {
 public:
  Exchange(const ServerAddress& server, const ClientRequest& request)
      : server_(server), request_(request), socket_(io_) {}

  Result<ClientResponse> run(const ResponseSink& sink) {
    TRY(connect());
    TRY(write(head()));
    Parser first;
    TRY(read_head(first));
    if (first.get().result() != http::status::continue_) return take(first, sink);
    const Status sent = send_body();
    // Whoever answers early stops reading: the answer says why.
    Parser answer;
    const Status read = read_head(answer);
    if (!read.ok()) return sent.ok() ? read.clone() : sent.clone();
    return take(answer, sink);
  }

 private:
  Status broken(const char* what, const error_code& ec) const {
    return {Code::kUnavailable, std::string(what) + " http://" + server_.host + ":" + server_.port +
                                    ": " + ec.message()};
  }

  Status connect() {
    error_code ec;
    Tcp::resolver resolver(io_);
    const auto found = resolver.resolve(server_.host, server_.port, ec);
    if (!ec) asio::connect(socket_, found, ec);
    return ec ? broken("cannot reach", ec) : Status();
  }

  std::string head() const {
    std::string text = std::string(request_.verb) + " " + request_.target +
                       " HTTP/1.1\r\nHost: " + server_.host + ":" + server_.port +
                       "\r\nContent-Type: " + std::string(request_.content_type) +
                       "\r\nExpect: 100-continue\r\n";
    if (!server_.api_key.empty()) text += "Authorization: Bearer " + server_.api_key + "\r\n";
    text += request_.body_bytes ? "Content-Length: " + std::to_string(*request_.body_bytes)
                                : std::string("Transfer-Encoding: chunked");
    return text + "\r\nConnection: close\r\n\r\n";
  }

  Status write(std::string_view text) {
    error_code ec;
    asio::write(socket_, asio::buffer(text), ec);
    return ec ? broken("lost", ec) : Status();
  }

  Status send_body() {
    for (;;) {
      TRY_ASSIGN(const std::string piece, request_.body());
      if (piece.empty()) break;
      if (!request_.body_bytes) {
        std::array<char, 20> digits{};
        const auto [end, ec] = std::to_chars(digits.begin(), digits.end(), piece.size(), 16);
        TRY(write(std::string(digits.data(), end) + "\r\n"));
      }
      TRY(write(piece));
      if (!request_.body_bytes) TRY(write("\r\n"));
    }
    return request_.body_bytes ? Status() : write("0\r\n\r\n");
  }

  Status read_head(Parser& parser) {
    error_code ec;
    parser.body_limit(boost::none);
    http::read_header(socket_, buffer_, parser, ec);
    return ec ? broken("no answer from", ec) : Status();
  }

  Result<ClientResponse> take(Parser& parser, const ResponseSink& sink) {
    ClientResponse response;
    response.status = static_cast<int>(parser.get().result_int());
    std::string piece(kPieceBytes, '\0');
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      error_code ec;
      http::read(socket_, buffer_, parser, ec);
      if (ec && ec != http::error::need_buffer) return broken("the answer was cut by", ec);
      const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
      if (sink && response.status == 200) {
        TRY(sink(got));
      } else if (response.body.size() + got.size() > kAnswerBytesMax) {
        return Status(Code::kTooLarge, "the answer has more than 16 MiB");
      } else {
        response.body += got;
      }
    }
    return response;
  }

  const ServerAddress& server_;
  const ClientRequest& request_;
  asio::io_context io_;
  Tcp::socket socket_;
  beast::flat_buffer buffer_;
};

}  // namespace

Result<ServerAddress> parse_server_url(std::string_view url) {
  const Status wrong(Code::kInvalidArgument,
                     "'" + std::string(url) + "' is not of the form http://HOST:PORT");
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return wrong.clone();
  url.remove_prefix(kScheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  ServerAddress address;
  const size_t colon = url.rfind(':');
  const bool has_port = colon != std::string_view::npos && url.find(']', colon) == url.npos;
  address.host = url.substr(0, has_port ? colon : url.size());
  address.port = has_port ? url.substr(colon + 1) : std::string_view("80");
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  const bool digits = address.port.find_first_not_of("0123456789") == std::string::npos;
  if (address.host.empty() || address.port.empty() || !digits ||
      address.host.find_first_of("/ \r\n") != std::string::npos) {
    return wrong.clone();
  }
  return address;
}

Result<ClientResponse> send_request(const ServerAddress& server, const ClientRequest& request,
                                    const ResponseSink& sink) {
  try {
    return Exchange(server, request).run(sink);
  } catch (const std::exception& error) {  // Boost's, when the system refuses it something
    return Status(Code::kInternal, error.what());
  }
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kHex[byte >> 4];
    encoded += kHex[byte & 15];
  }
  return encoded;
}

}  // namespace ferres
