// HTTP/1.1 on Boost.Beast's parser in its fast form: coroutines on a typed executor, our own read
// loop feeding parser::put, the response head written by hand. An idle connection holds no buffer
// (it waits for readability, not for bytes), so ten thousand of them cost little. Timeouts are one
// sweep a second over a thread's connections instead of a timer for each.
//
// Threads: a Session and its IoThread's list are touched on that I/O thread alone; the counters are
// atomic; everything else is constant after start().
#include "server/http.h"

// TSan cannot see fences; the schedulers' mutexes order everything that the fences would.
#if defined(__SANITIZE_THREAD__)
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#endif

#include <array>
#include <atomic>
#include <charconv>
#include <future>
#include <list>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"

namespace ferres {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using IoExecutor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<Tcp, IoExecutor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, IoExecutor>;
using Timer = asio::steady_timer::rebind_executor<IoExecutor>::other;
using UseAwaitable = asio::use_awaitable_t<IoExecutor>;
constexpr auto kAwait = asio::as_tuple(UseAwaitable{});
template <class T>
using Awaitable = asio::awaitable<T, IoExecutor>;

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kPooledBuffersMax = 64;
constexpr size_t kBodyRoom = 128;  // a JSON parser reads past the end
constexpr size_t kAccountedBytesMin = 256 << 10;
constexpr size_t kRefusingMax = 256;
constexpr uint64_t kNanosPerSecond = 1000000000;
constexpr uint64_t kLingerSeconds = 10;

// A string whose capacity leaves room after the body, and that grows with what really arrived: a
// Content-Length alone reserves at most 1 MiB.
struct RoomyBody {
  using value_type = std::string;
  class reader {  // NOLINT(readability-identifier-naming): the name that Beast looks for
   public:
    template <bool kRequest, class Fields>
    reader(http::header<kRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<uint64_t>& length, error_code& ec) {
      if (length) body_.reserve(std::min<uint64_t>(*length, 1 << 20) + kBodyRoom);
      ec = {};
    }
    template <class Buffers>
    size_t put(const Buffers& buffers, error_code& ec) {
      size_t bytes = 0;
      for (const asio::const_buffer part : beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(part.data()), part.size());
        bytes += part.size();
      }
      ec = {};
      return bytes;
    }
    void finish(error_code& ec) { ec = {}; }

   private:
    value_type& body_;
  };
  static uint64_t size(const value_type& body) { return body.size(); }
};
using Parser = http::request_parser<RoomyBody>;

class Session;

struct IoThread {
  std::list<Session*> sessions;
  std::vector<std::unique_ptr<beast::flat_buffer>> spare_buffers;
  std::atomic<size_t> connections{0};
  asio::io_context io{1};
  asio::executor_work_guard<IoExecutor> work{io.get_executor()};
  Timer timer{io.get_executor()};
};

class Server final : public HttpServer {
 public:
  Server(const HttpOptions& options, HttpHandler& handler)
      : options(options), handler(handler), acceptor_(accept_io_.get_executor()) {}
  ~Server() override;

  Status listen();
  void run();
  uint16_t port() const override { return port_; }
  size_t connections() const override { return connections_.load(); }
  bool stop(uint64_t drain_seconds) override;
  void connection_ended(IoThread& thread);
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

  const HttpOptions options;
  HttpHandler& handler;
  std::atomic<uint64_t> inflight_bytes{0};

 private:
  Awaitable<void> accept_loop();
  Awaitable<void> sweep_loop(IoThread& thread);
  Awaitable<void> serve(IoThread& thread, Socket socket);
  Awaitable<void> refuse(Socket socket);
  void close_acceptor();
  void close_sessions(bool only_idle);
  bool wait_until_empty(uint64_t seconds);

  uint16_t port_ = 0;
  std::atomic<bool> draining_{false};
  std::atomic<size_t> connections_{0};
  std::atomic<size_t> refusing_{0};
  Mutex mutex_;
  CondVar ended_;
  bool stopped_ = false;
  std::vector<std::unique_ptr<IoThread>> threads_;
  asio::io_context accept_io_{1};
  Acceptor acceptor_;
  std::unique_ptr<Executor> pool_;  // last: its threads run the contexts above
};

std::string hex(size_t number) {
  char digits[2 * sizeof number];
  const auto [end, ec] = std::to_chars(digits, digits + sizeof digits, number, 16);
  return {digits, end};
}

std::string response_head(const HttpResponse& response, bool close, bool http_1_0) {
  std::string head = "HTTP/1.1 ";
  head.reserve(256);
  head += std::to_string(response.status);
  head += ' ';
  const beast::string_view reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  head.append(reason.data(), reason.size());
  if (response.status != 204) {
    head += "\r\nContent-Type: ";
    head += response.content_type;
    if (response.source == nullptr) {
      head += "\r\nContent-Length: ";
      head += std::to_string(response.body.size());
    } else if (!http_1_0) {
      head += "\r\nTransfer-Encoding: chunked";
    }
  }
  head += "\r\n";
  head += response.headers;
  if (close) {
    head += "Connection: close\r\n";
  } else if (http_1_0) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

// What a session waits for, which may come at once, later, or from another thread. state decides
// who resumes.
struct Gate {
  enum State : int { kClosed, kOpen, kWaiting };
  std::atomic<int> state{kClosed};
  // Holds the session's frame, which holds this: moved out when posted, or a post that never runs
  // (the server stopped) would leave the two holding each other.
  std::function<void()> resume;

  bool is_open() const { return state.load() == kOpen; }
  /// Once.
  void open(const IoExecutor& executor) {
    if (state.exchange(kOpen) == kWaiting) asio::post(executor, std::move(resume));
  }
};

struct Pending {
  Gate answered;
  HttpResponse response;
};

Awaitable<void> wait_for(std::shared_ptr<Gate> gate, const IoExecutor& executor) {
  UseAwaitable token;
  return asio::async_initiate<UseAwaitable, void()>(
      [gate = std::move(gate), executor](auto handler) {
        const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        gate->resume = [shared] { std::move (*shared)(); };
        int expected = Gate::kClosed;
        if (!gate->state.compare_exchange_strong(expected, Gate::kWaiting)) {
          asio::post(executor, std::move(gate->resume));
        }
      },
      token);
}

class Session {
 public:
  Session(Server& server, IoThread& thread, Socket socket)
      : server_(server), thread_(thread), socket_(std::move(socket)) {
    place_ = thread_.sessions.insert(thread_.sessions.end(), this);
    error_code ec;
    socket_.set_option(Tcp::no_delay(true), ec);
    socket_.non_blocking(true, ec);
    client_ip_ = socket_.remote_endpoint(ec).address().to_string(ec);
  }
  ~Session() {
    account(0);
    release_buffer();
    thread_.sessions.erase(place_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Awaitable<void> run();
  void sweep(uint64_t now_nanos) {
    if (deadline_ == 0 || now_nanos < deadline_) return;
    deadline_ = 0;
    timed_out_ = true;
    error_code ec;
    socket_.cancel(ec);
  }
  void close(bool only_idle) {
    // Streams last as long as their peers want, which a stop does not wait for.
    if (only_idle && phase_ != Phase::kIdle && !streaming_) return;
    error_code ec;
    socket_.close(ec);
  }

 private:
  enum class Phase { kIdle, kReading, kHandling, kWriting, kLingering };
  enum class Read { kRequest, kClosed, kRefused };
  enum class Sent { kWhole, kAnswered, kClosed, kRefused };

  Awaitable<Read> read_request();
  Awaitable<bool> fill_buffer();
  Awaitable<std::optional<HttpResponse>> answer();
  Awaitable<Sent> send_body(BodySink& sink, const Pending& pending);
  Awaitable<bool> write_source(BodySource& source, bool chunked);
  Awaitable<void> write_refusal();
  Awaitable<bool> write(HttpResponse response, bool close);
  Awaitable<bool> write_all(std::string_view head, std::string_view body);
  Awaitable<void> linger();
  bool feed();
  bool begin_body();
  void set_phase(Phase phase);
  HttpRequest make_request();
  void account(uint64_t bytes);
  void refuse(int status, std::string message) {
    refused_status_ = status;
    refused_message_ = std::move(message);
  }
  void refuse_parse(const error_code& ec);
  bool wants_continue();
  void acquire_buffer();
  void release_buffer();
  bool buffered() const { return buffer_ && buffer_->size() > 0; }
  std::optional<std::string_view> header(http::field name);
  // read_request() makes a new one for each request before anything else looks at it.
  Parser& parser() { return *parser_; }  // NOLINT(bugprone-unchecked-optional-access)

  Server& server_;
  IoThread& thread_;
  Socket socket_;
  std::string client_ip_;
  std::list<Session*>::iterator place_;
  std::unique_ptr<beast::flat_buffer> buffer_;
  std::optional<Parser> parser_;
  Phase phase_ = Phase::kIdle;
  uint64_t deadline_ = 0;  // monotonic; 0: none
  uint64_t accounted_ = 0;
  int refused_status_ = 0;
  std::string refused_message_;
  bool timed_out_ = false;
  bool continued_ = false;  // "100 Continue" was sent
  bool head_seen_ = false;  // of this request
  bool streaming_ = false;  // this request's body or its answer's
};

void Session::acquire_buffer() {
  if (buffer_) return;
  if (thread_.spare_buffers.empty()) {
    buffer_ = std::make_unique<beast::flat_buffer>();
    return;
  }
  buffer_ = std::move(thread_.spare_buffers.back());
  thread_.spare_buffers.pop_back();
}

void Session::release_buffer() {
  if (!buffer_) return;
  buffer_->clear();
  if (thread_.spare_buffers.size() < kPooledBuffersMax) {
    thread_.spare_buffers.push_back(std::move(buffer_));
  }
  buffer_.reset();
}

void Session::set_phase(Phase phase) {
  phase_ = phase;
  uint64_t seconds = server_.options.request_seconds_max;
  if (phase == Phase::kIdle) seconds = server_.options.idle_seconds_max;
  if (phase == Phase::kLingering) seconds = server_.draining() ? 1 : kLingerSeconds;
  deadline_ =
      phase == Phase::kHandling ? 0 : system_clock().monotonic_nanos() + seconds * kNanosPerSecond;
}

std::optional<std::string_view> Session::header(http::field name) {
  const auto found = parser().get().find(name);
  if (found == parser().get().end()) return std::nullopt;
  return std::string_view(found->value().data(), found->value().size());
}

void Session::account(uint64_t bytes) {
  if (bytes < kAccountedBytesMin) bytes = 0;
  if (bytes == accounted_) return;
  server_.inflight_bytes.fetch_add(bytes - accounted_, std::memory_order_relaxed);
  accounted_ = bytes;
}

void Session::refuse_parse(const error_code& ec) {
  const HttpOptions& options = server_.options;
  if (ec == http::error::body_limit) {
    refuse(413, "request body is larger than body_bytes_max (" +
                    std::to_string(options.body_bytes_max) + " bytes)");
  } else if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    refuse(431, "request head is larger than header_bytes_max (" +
                    std::to_string(options.header_bytes_max) + " bytes)");
  } else {
    refuse(400, "malformed HTTP request: " + ec.message());
  }
}

// Once a request's head is there; false when the request is refused.
bool Session::begin_body() {
  head_seen_ = true;
  if (parser().get().version() == 11 && parser().get().count(http::field::host) != 1) {
    refuse(400, "an HTTP/1.1 request must name its Host once");
    return false;
  }
  parser().eager(true);
  const http::verb verb = parser().get().method();
  if (!parser().is_done() && verb == http::verb::post) {
    const auto target = parser().get().target();
    streaming_ = server_.handler.streams("POST", {target.data(), target.size()});
  }
  if (streaming_) return true;
  parser().body_limit(server_.options.body_bytes_max);
  const boost::optional<uint64_t> length = parser().content_length();
  if (!length || *length <= server_.options.body_bytes_max) return true;
  refuse_parse(http::error::body_limit);
  return false;
}

// Gives buffered bytes to the parser; false when the request is refused.
bool Session::feed() {
  while (buffered() && !parser().is_done()) {
    error_code ec;
    const size_t used = parser().put(buffer_->data(), ec);
    buffer_->consume(used);
    if (ec == http::error::need_more) break;
    if (ec) {
      refuse_parse(ec);
      return false;
    }
    if (!head_seen_ && parser().is_header_done()) {
      if (!begin_body()) return false;
      if (streaming_) return true;
    }
    if (used == 0) break;
  }
  if (!parser().is_header_done()) return true;
  account(parser().get().body().size());
  if (accounted_ == 0 || server_.inflight_bytes.load(std::memory_order_relaxed) <=
                             server_.options.inflight_bytes_max) {
    return true;
  }
  account(0);
  parser().get().body() = std::string();
  refuse(503, "request bodies in flight are more than inflight_bytes_max (" +
                  std::to_string(server_.options.inflight_bytes_max) + " bytes): try again");
  return false;
}

bool Session::wants_continue() {
  if (continued_ || !parser().is_header_done()) return false;
  const std::optional<std::string_view> expect = header(http::field::expect);
  return expect && beast::iequals({expect->data(), expect->size()}, "100-continue");
}

// Waits for bytes and appends them to the buffer; false when the connection is over.
Awaitable<bool> Session::fill_buffer() {
  if (!buffered()) release_buffer();
  for (;;) {
    auto [wait_error] = co_await socket_.async_wait(Socket::wait_read, kAwait);
    if (wait_error) co_return false;
    acquire_buffer();
    error_code ec;
    const size_t bytes = socket_.read_some(buffer_->prepare(kReadBytes), ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again) continue;
    if (ec) co_return false;
    buffer_->commit(bytes);
    co_return true;
  }
}

Awaitable<Session::Read> Session::read_request() {
  account(0);
  parser_.emplace();
  parser().header_limit(static_cast<uint32_t>(server_.options.header_bytes_max));
  parser().body_limit(boost::none);  // begin_body() sets one
  continued_ = false;
  head_seen_ = false;
  streaming_ = false;
  set_phase(buffered() ? Phase::kReading : Phase::kIdle);
  for (;;) {
    if (!feed()) co_return Read::kRefused;
    if (parser().is_done() || streaming_) co_return Read::kRequest;
    if (wants_continue()) {
      continued_ = true;
      if (!co_await write_all("HTTP/1.1 100 Continue\r\n\r\n", {})) co_return Read::kClosed;
    }
    if (phase_ == Phase::kIdle && server_.draining()) co_return Read::kClosed;
    const bool alive = co_await fill_buffer();
    if (!alive && timed_out_ && phase_ == Phase::kReading) {
      refuse(408, "the request did not arrive within request_seconds_max (" +
                      std::to_string(server_.options.request_seconds_max) + " s)");
      co_return Read::kRefused;
    }
    if (!alive) co_return Read::kClosed;
    if (phase_ == Phase::kIdle) set_phase(Phase::kReading);
  }
}

HttpRequest Session::make_request() {
  auto& message = parser().get();
  HttpRequest request;
  request.method = {message.method_string().data(), message.method_string().size()};
  request.target = {message.target().data(), message.target().size()};
  request.authorization = header(http::field::authorization);
  request.content_type = header(http::field::content_type);
  request.origin = header(http::field::origin);
  request.host = header(http::field::host);
  request.client_ip = client_ip_;
  request.preflight_method = header(http::field::access_control_request_method);
  if (const auto found = message.find("X-Namespace"); found != message.end()) {
    request.namespace_header = std::string_view(found->value().data(), found->value().size());
  }
  if (!streaming_) request.body = std::move(message.body());
  return request;
}

// Nothing when the connection is over; with refused_status_ set, the request is refused.
Awaitable<std::optional<HttpResponse>> Session::answer() {
  set_phase(Phase::kHandling);
  const auto pending = std::make_shared<Pending>();
  const IoExecutor executor = thread_.io.get_executor();
  refused_status_ = 0;
  const std::shared_ptr<BodySink> sink =
      server_.handler.handle(make_request(), [pending, executor](HttpResponse response) {
        pending->response = std::move(response);
        pending->answered.open(executor);
      });
  if (sink != nullptr) {
    const Sent sent = co_await send_body(*sink, *pending);
    if (sent == Sent::kClosed || sent == Sent::kRefused) co_return std::nullopt;
  }
  if (!pending->answered.is_open())
    co_await wait_for(std::shared_ptr<Gate>(pending, &pending->answered), executor);
  co_return std::move(pending->response);
}

// Hands a request's body over as it comes, a piece at a time, until it is whole or answered.
Awaitable<Session::Sent> Session::send_body(BodySink& sink, const Pending& pending) {
  const IoExecutor executor = thread_.io.get_executor();
  while (!pending.answered.is_open()) {
    if (!feed()) co_return Sent::kRefused;
    std::string part = std::exchange(parser().get().body(), {});
    if (!part.empty()) {
      const auto more = std::make_shared<Gate>();
      sink.write(std::move(part), [more, executor] { more->open(executor); });
      if (!more->is_open()) co_await wait_for(more, executor);
      continue;
    }
    if (parser().is_done()) {
      sink.end();
      co_return Sent::kWhole;
    }
    if (wants_continue()) {
      continued_ = true;
      if (!co_await write_all("HTTP/1.1 100 Continue\r\n\r\n", {})) co_return Sent::kClosed;
    }
    set_phase(Phase::kReading);
    const bool alive = co_await fill_buffer();
    set_phase(Phase::kHandling);
    if (!alive && timed_out_) {
      refuse(408, "nothing of the request's body came within request_seconds_max (" +
                      std::to_string(server_.options.request_seconds_max) + " s)");
      co_return Sent::kRefused;
    }
    if (!alive) co_return Sent::kClosed;
  }
  co_return Sent::kAnswered;
}

Awaitable<bool> Session::write_all(std::string_view head, std::string_view body) {
  while (!head.empty() || !body.empty()) {
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(head), asio::buffer(body)};
    auto [ec, bytes] = co_await socket_.async_write_some(parts, kAwait);
    if (ec) co_return false;
    const size_t of_head = std::min(bytes, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(bytes - of_head);
    if (phase_ == Phase::kWriting) set_phase(Phase::kWriting);  // progress moves the deadline
  }
  co_return true;
}

Awaitable<bool> Session::write(HttpResponse response, bool close) {
  set_phase(Phase::kWriting);
  const bool parsed = parser().is_header_done();
  const std::string head = response_head(response, close, parsed && parser().get().version() == 10);
  const bool without_body = parsed && parser().get().method() == http::verb::head;
  if (response.source != nullptr && !without_body) {
    if (!co_await write_all(head, {})) co_return false;
    co_return co_await write_source(*response.source, parser().get().version() == 11);
  }
  co_return co_await write_all(head,
                               without_body ? std::string_view() : std::string_view(response.body));
}

// Sends an answer while it is made. When that fails the connection ends without the last chunk, so
// that the peer knows.
Awaitable<bool> Session::write_source(BodySource& source, bool chunked) {
  streaming_ = true;
  for (;;) {
    Result<std::optional<std::string>> piece = source.next();
    if (!piece.ok()) co_return false;
    std::optional<std::string>& next = *piece;
    if (!next) break;
    std::string& bytes = *next;
    if (bytes.empty()) {  // others get their turn
      co_await asio::post(thread_.io.get_executor(), UseAwaitable{});
      continue;
    }
    std::string size;
    if (chunked) {
      size = hex(bytes.size()) + "\r\n";
      bytes += "\r\n";
    }
    if (!co_await write_all(size, bytes)) co_return false;
  }
  co_return !chunked || co_await write_all("0\r\n\r\n", {});
}

// Reads on until the peer has seen the answer: closing with unread bytes would reset the
// connection and could take the answer with it.
Awaitable<void> Session::linger() {
  error_code ec;
  socket_.shutdown(Socket::shutdown_send, ec);
  if (ec) co_return;
  set_phase(Phase::kLingering);
  timed_out_ = false;
  while (co_await fill_buffer())
    buffer_->clear();
}

Awaitable<void> Session::write_refusal() {
  HttpResponse refusal = server_.handler.refuse(refused_status_, refused_message_);
  if (refused_status_ == 503) refusal.headers += "Retry-After: 1\r\n";
  timed_out_ = false;
  if (co_await write(std::move(refusal), true)) co_await linger();
}

Awaitable<void> Session::run() {
  for (;;) {
    const Read read = co_await read_request();
    if (read == Read::kClosed) co_return;
    if (read == Read::kRefused) co_return co_await write_refusal();
    std::optional<HttpResponse> response = co_await answer();
    if (!response && refused_status_ != 0) co_return co_await write_refusal();
    if (!response) co_return;
    const bool cut = !parser().is_done();  // answered before all of the body came
    const bool until_end = response->source != nullptr && parser().get().version() == 10;
    const bool close = !parser().get().keep_alive() || server_.draining() || cut || until_end;
    if (!co_await write(*std::move(response), close)) co_return;
    if (close) {
      if (buffered() || cut) co_await linger();
      co_return;
    }
  }
}

Status Server::listen() {
  error_code ec;
  const asio::ip::address address = asio::ip::make_address(options.host, ec);
  if (ec) {
    return Status(Code::kInvalidArgument,
                  "host '" + options.host + "' is not an IP address (try 127.0.0.1 or 0.0.0.0)");
  }
  const Tcp::endpoint endpoint(address, options.port);
  const std::string where = options.host + ":" + std::to_string(options.port);
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(1024, ec);
  if (ec == asio::error::address_in_use) {
    return Status(Code::kConflict, where + " is in use by another program: stop it, or choose " +
                                       "another port with --port");
  }
  if (ec) return Status(Code::kIo, "cannot listen on " + where + ": " + ec.message());
  port_ = acceptor_.local_endpoint(ec).port();
  return {};
}

void Server::run() {
  // Each connection is a file: the soft limit of 1024 would end the service early.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  pool_ = make_thread_pool(options.threads + 1);
  for (size_t i = 0; i < options.threads; ++i) {
    threads_.push_back(std::make_unique<IoThread>());
  }
  for (const std::unique_ptr<IoThread>& thread : threads_) {
    asio::co_spawn(thread->io.get_executor(), sweep_loop(*thread), asio::detached);
    pool_->submit([&io = thread->io] { io.run(); });
  }
  asio::co_spawn(accept_io_.get_executor(), accept_loop(), asio::detached);
  pool_->submit([this] { accept_io_.run(); });
}

Awaitable<void> Server::accept_loop() {
  Timer pause(accept_io_.get_executor());
  for (;;) {
    IoThread& thread = **std::min_element(
        threads_.begin(), threads_.end(),
        [](const auto& a, const auto& b) { return a->connections.load() < b->connections.load(); });
    auto [ec, socket] = co_await acceptor_.async_accept(thread.io, kAwait);
    if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
    if (ec) {  // out of files, most likely: some will be free soon
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwait);
      continue;
    }
    if (connections_.load() >= options.connections_max) {
      if (refusing_.load() < kRefusingMax) {
        refusing_.fetch_add(1);
        asio::co_spawn(thread.io.get_executor(), refuse(std::move(socket)), asio::detached);
      }
      continue;
    }
    connections_.fetch_add(1);
    thread.connections.fetch_add(1);
    asio::co_spawn(thread.io.get_executor(), serve(thread, std::move(socket)), asio::detached);
  }
}

Awaitable<void> Server::sweep_loop(IoThread& thread) {
  for (;;) {
    thread.timer.expires_after(std::chrono::seconds(1));
    auto [ec] = co_await thread.timer.async_wait(kAwait);
    if (ec) co_return;
    const uint64_t now = system_clock().monotonic_nanos();
    for (Session* session : thread.sessions)
      session->sweep(now);
  }
}

Awaitable<void> Server::serve(IoThread& thread, Socket socket) {
  try {
    Session session(*this, thread, std::move(socket));
    co_await session.run();
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): see below
    // Boost throws when memory runs out: this connection ends, the others live.
  }
  connection_ended(thread);
}

Awaitable<void> Server::refuse(Socket socket) {
  HttpResponse refusal =
      handler.refuse(503, "more than connections_max (" + std::to_string(options.connections_max) +
                              ") connections are open: try again");
  refusal.headers += "Retry-After: 1\r\n";
  const std::string text = response_head(refusal, true, false) + refusal.body;
  co_await socket.async_write_some(asio::buffer(text), kAwait);
  error_code ec;
  socket.shutdown(Socket::shutdown_send, ec);
  Timer pause(socket.get_executor());  // time for the peer to read before the close resets it
  pause.expires_after(std::chrono::milliseconds(200));
  co_await pause.async_wait(kAwait);
  refusing_.fetch_sub(1);
}

void Server::connection_ended(IoThread& thread) {
  thread.connections.fetch_sub(1);
  connections_.fetch_sub(1);
  if (!draining()) return;
  const MutexLock lock(mutex_);
  ended_.signal_all();
}

void Server::close_sessions(bool only_idle) {
  for (const std::unique_ptr<IoThread>& thread : threads_) {
    asio::post(thread->io, [&sessions = thread->sessions, only_idle] {
      for (Session* session : sessions)
        session->close(only_idle);
    });
  }
}

bool Server::wait_until_empty(uint64_t seconds) {
  const uint64_t end = system_clock().monotonic_nanos() + seconds * kNanosPerSecond;
  const MutexLock lock(mutex_);
  while (connections_.load() > 0) {
    const uint64_t now = system_clock().monotonic_nanos();
    if (now >= end) return false;
    ended_.wait_for(mutex_, std::min<uint64_t>((end - now) / 1000 + 1, 100000));
  }
  return true;
}

Server::~Server() {
  stop(0);
  accept_io_.stop();
  for (const std::unique_ptr<IoThread>& thread : threads_)
    thread->io.stop();
  pool_.reset();
}

// Returns when nobody can connect any more: a connection accepted while the others drain would be
// served by a server that says that it has stopped.
void Server::close_acceptor() {
  std::promise<void> closed;
  asio::post(accept_io_, [this, &closed] {
    error_code ec;
    acceptor_.close(ec);
    closed.set_value();
  });
  closed.get_future().wait();
}

bool Server::stop(uint64_t drain_seconds) {
  if (stopped_) return true;
  stopped_ = true;
  if (pool_ != nullptr) close_acceptor();
  draining_.store(true);
  close_sessions(true);
  const bool drained = wait_until_empty(drain_seconds);
  if (!drained) close_sessions(false);
  return drained;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options,
                                                      HttpHandler& handler) {
  auto server = std::make_unique<Server>(options, handler);
  TRY(server->listen());
  server->run();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace ferres
