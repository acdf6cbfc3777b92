// The transport against a raw socket: framing, limits, closing, replies from other threads.
#include "server/http.h"

#include <array>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/mutex.h"
#include "server/test_client.h"

namespace ferres {
namespace {

/// Takes a body and answers with how much it was, or at once when there is a '!' in it.
class CountingSink : public BodySink {
 public:
  explicit CountingSink(HttpHandler::Reply reply) : reply_(std::move(reply)) {}
  void write(std::string bytes, std::function<void()> more) override {
    bytes_ += bytes.size();
    if (bytes.find('!') != std::string::npos) answer("enough");
    more();
  }
  void end() override { answer("took " + std::to_string(bytes_)); }

 private:
  void answer(std::string text) {
    reply_({.status = 200, .content_type = "text/plain", .headers = {}, .body = std::move(text)});
  }
  const HttpHandler::Reply reply_;
  size_t bytes_ = 0;
};

/// Three pieces with an empty one among them; cut after the first when told so.
class ThreePieces : public BodySource {
 public:
  explicit ThreePieces(bool cut) : cut_(cut) {}
  Result<std::optional<std::string>> next() override {
    static constexpr std::array<std::string_view, 3> kPieces = {"first ", "", "last"};
    if (at_ == kPieces.size()) return std::optional<std::string>();
    if (cut_ && at_ == 1) return Status(Code::kIo, "cut");
    return std::optional<std::string>(kPieces[at_++]);
  }

 private:
  const bool cut_;
  size_t at_ = 0;
};

// Answers with what it was asked; "/later" from another thread, "/held" when released.
class EchoHandler final : public HttpHandler {
 public:
  bool streams(std::string_view, std::string_view target) const override {
    return target == "/sink";
  }
  std::shared_ptr<BodySink> handle(HttpRequest request, Reply reply) override {
    if (request.target == "/sink") return std::make_shared<CountingSink>(std::move(reply));
    HttpResponse response;
    response.content_type = "text/plain";
    if (request.target == "/source" || request.target == "/cut")
      response.source = std::make_shared<ThreePieces>(request.target == "/cut");
    response.body = std::string(request.method) + " " + std::string(request.target) + " " +
                    std::to_string(request.body.size()) + " " + request.body.substr(0, 64);
    if (request.target == "/held") {
      MutexLock lock(mutex_);
      held_ = [reply, response] { reply(response); };
      waiting_.signal_all();
    } else if (request.target == "/later") {
      pool_->submit([reply, response] { reply(response); });
    } else {
      reply(std::move(response));
    }
    return nullptr;
  }
  HttpResponse refuse(int status, std::string_view message) override {
    return {.status = status,
            .content_type = "text/plain",
            .headers = {},
            .body = std::string(message)};
  }
  void wait_until_held() {
    MutexLock lock(mutex_);
    while (!held_)
      waiting_.wait(mutex_);
  }
  void release() {
    std::function<void()> held;
    {
      MutexLock lock(mutex_);
      held = std::move(held_);
    }
    held();
  }

 private:
  Mutex mutex_;
  CondVar waiting_;
  std::function<void()> held_;
  std::unique_ptr<Executor> pool_ = make_thread_pool(1);
};

class HttpTest : public testing::Test {
 protected:
  HttpTest() {
    options_.port = 0;
    options_.body_bytes_max = 1 << 20;
    options_.header_bytes_max = 4096;
  }
  void start() {
    Result<std::unique_ptr<HttpServer>> server = HttpServer::start(options_, handler_);
    ASSERT_TRUE(server.ok()) << server.error().message();
    server_ = *std::move(server);
  }
  std::string body_of(const std::string& response) {
    const size_t head = response.find("\r\n\r\n");
    return head == std::string::npos ? "" : response.substr(head + 4);
  }

  HttpOptions options_;
  EchoHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTest, AConnectionServesManyRequests) {
  start();
  TestClient client(server_->port());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(
        client.ask("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nGET /a?b 0 ");
  }
  EXPECT_EQ(body_of(client.ask("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")),
            "POST /b 5 hello");
  EXPECT_EQ(body_of(client.ask("DELETE /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")),
            "DELETE /c 2 {}");
}

TEST_F(HttpTest, ARequestNamesItsHostOnce) {
  start();
  for (const char* head : {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
                           "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"}) {
    TestClient client(server_->port());
    EXPECT_EQ(client.ask(head).substr(0, 12), "HTTP/1.1 400") << head;
  }
  TestClient empty(server_->port());
  EXPECT_EQ(body_of(empty.ask("GET /a HTTP/1.1\r\nHost:\r\n\r\n")), "GET /a 0 ");
  TestClient old(server_->port());
  EXPECT_EQ(body_of(old.ask("GET /a HTTP/1.0\r\n\r\n")), "GET /a 0 ");
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  TestClient client(server_->port());
  client.send(
      "GET /later HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\n"
      "Content-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(body_of(client.receive()), "GET /later 0 ");
  EXPECT_EQ(body_of(client.receive()), "POST /2 3 abc");
  const std::string last = client.receive();
  EXPECT_EQ(body_of(last), "GET /3 0 ");
  EXPECT_NE(last.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpTest, ARequestMayComeByteByByte) {
  start();
  TestClient client(server_->port());
  for (const char c :
       std::string_view("POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")) {
    ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  }
  EXPECT_EQ(body_of(client.receive()), "POST /s 3 abc");
}

TEST_F(HttpTest, ChunkedBodiesAreJoined) {
  start();
  TestClient client(server_->port());
  EXPECT_EQ(body_of(client.ask("POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
            "POST /c 5 abcde");
}

TEST_F(HttpTest, StreamedRequestBodiesMayBeOfAnyLength) {
  start();
  TestClient client(server_->port());
  const size_t bytes = 3 << 20;  // body_bytes_max is 1 MiB
  client.send("POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(bytes) +
              "\r\n\r\n");
  ASSERT_TRUE(client.send(std::string(bytes, 'x')));
  EXPECT_EQ(body_of(client.receive()), "took " + std::to_string(bytes));
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  client.send("POST /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(client.send(chunk));
  EXPECT_EQ(body_of(client.ask("0\r\n\r\n")), "took " + std::to_string(40 * 0x10000));
  EXPECT_EQ(body_of(client.ask("POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")),
            "took 0");
  EXPECT_EQ(body_of(client.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")), "GET /a 0 ");
}

TEST_F(HttpTest, AStreamedRequestIsToldToContinue) {
  start();
  TestClient client(server_->port());
  EXPECT_EQ(client.ask("POST /sink HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                       "Content-Length: 3\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(body_of(client.ask("abc")), "took 3");
}

TEST_F(HttpTest, AStreamedRequestThatIsAnsweredEarlyIsTheLast) {
  start();
  TestClient client(server_->port());
  const std::string response =
      client.ask("POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc!");
  EXPECT_EQ(body_of(response), "enough");
  EXPECT_NE(response.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpTest, AStreamedRequestThatIsNoHttpIsRefused) {
  start();
  TestClient client(server_->port());
  const std::string response =
      client.ask("POST /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_TRUE(response.starts_with("HTTP/1.1 400 ")) << response;
}

TEST_F(HttpTest, StreamedAnswersComeInChunksAndTheConnectionGoesOn) {
  start();
  TestClient client(server_->port());
  client.send("GET /source HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = client.receive();
  EXPECT_EQ(head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string rest = client.receive();
  EXPECT_TRUE(rest.starts_with("6\r\nfirst \r\n4\r\nlast\r\n0\r\n\r\n")) << rest;
}

TEST_F(HttpTest, AStreamedAnswerThatFailsIsCut) {
  start();
  TestClient client(server_->port());
  client.ask("GET /cut HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.receive(), "");  // closed before an end
}

TEST_F(HttpTest, AnOldClientGetsAStreamedAnswerToTheEndOfTheConnection) {
  start();
  TestClient client(server_->port());
  const std::string head = client.ask("GET /source HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(head.find("chunked"), std::string::npos);
  EXPECT_NE(head.find("Connection: close"), std::string::npos);
}

TEST_F(HttpTest, RepliesMayComeFromAnotherThread) {
  options_.threads = 1;
  start();
  TestClient held(server_->port());
  held.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.wait_until_held();
  TestClient other(server_->port());
  EXPECT_EQ(body_of(other.ask("GET /other HTTP/1.1\r\nHost: x\r\n\r\n")), "GET /other 0 ");
  handler_.release();
  EXPECT_EQ(body_of(held.receive()), "GET /held 0 ");
}

TEST_F(HttpTest, HeadHasLengthAndNoBody) {
  start();
  TestClient client(server_->port());
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  std::string all =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n"
      "Connection: close\r\n\r\n";
  EXPECT_EQ(client.receive(), "");  // closed where a body would begin
}

TEST_F(HttpTest, AnnouncedBodiesBeyondTheLimitAreRefusedUnread) {
  start();
  TestClient client(server_->port());
  const std::string response =
      client.ask("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
  EXPECT_TRUE(response.starts_with("HTTP/1.1 413 ")) << response;
  EXPECT_NE(response.find("body_bytes_max (1048576 bytes)"), std::string::npos) << response;
}

TEST_F(HttpTest, ChunkedBodiesBeyondTheLimitAreRefused) {
  start();
  TestClient client(server_->port());
  client.send("POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 40; ++i) {
    if (!client.send(chunk)) break;
  }
  EXPECT_TRUE(client.receive().starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpTest, ABodyAtTheLimitIsTaken) {
  start();
  TestClient client(server_->port());
  const std::string body(1 << 20, 'x');
  EXPECT_TRUE(
      body_of(client.ask("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + body))
          .starts_with("POST /b 1048576 xxx"));
}

TEST_F(HttpTest, LargeHeadsAreRefused) {
  start();
  TestClient client(server_->port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(8192, 'a') + "\r\n\r\n");
  const std::string response = client.receive();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 431 ")) << response;
  EXPECT_NE(response.find("header_bytes_max (4096 bytes)"), std::string::npos) << response;
}

TEST_F(HttpTest, GarbageIsABadRequest) {
  start();
  for (const char* text :
       {"GARBAGE\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
    TestClient client(server_->port());
    const std::string response = client.ask(text);
    EXPECT_TRUE(response.starts_with("HTTP/1.1 400 ")) << text << response;
    EXPECT_TRUE(client.closed()) << text;
  }
}

TEST_F(HttpTest, ExpectedContinueIsSent) {
  start();
  TestClient client(server_->port());
  EXPECT_EQ(client.ask("POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                       "Content-Length: 3\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(body_of(client.ask("abc")), "POST /e 3 abc");
}

TEST_F(HttpTest, OldClientsGetTheirConnectionClosed) {
  start();
  TestClient client(server_->port());
  EXPECT_EQ(body_of(client.ask("GET /old HTTP/1.0\r\n\r\n")), "GET /old 0 ");
  EXPECT_TRUE(client.closed());
  TestClient kept(server_->port());
  const std::string response = kept.ask("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(response.find("Connection: keep-alive"), std::string::npos);
  EXPECT_EQ(body_of(kept.ask("GET /old HTTP/1.0\r\n\r\n")), "GET /old 0 ");
}

TEST_F(HttpTest, ConnectionsBeyondTheLimitAreAnswered) {
  options_.connections_max = 2;
  start();
  TestClient first(server_->port());
  TestClient second(server_->port());
  first.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  second.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  TestClient third(server_->port());
  const std::string response = third.receive();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 503 ")) << response;
  EXPECT_NE(response.find("Retry-After: 1"), std::string::npos);
  EXPECT_NE(response.find("connections_max (2)"), std::string::npos);
  EXPECT_EQ(body_of(first.ask("GET /still HTTP/1.1\r\nHost: x\r\n\r\n")), "GET /still 0 ");
}

TEST_F(HttpTest, BodiesInFlightAreBounded) {
  options_.inflight_bytes_max = 512 << 10;
  start();
  TestClient client(server_->port());
  client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
  client.send(std::string(1 << 20, 'x'));
  const std::string response = client.receive();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 503 ")) << response;
  EXPECT_NE(response.find("inflight_bytes_max"), std::string::npos);
  TestClient small(server_->port());
  EXPECT_EQ(body_of(small.ask("GET /s HTTP/1.1\r\nHost: x\r\n\r\n")), "GET /s 0 ");
}

TEST_F(HttpTest, SlowRequestsAreGivenUp) {
  options_.request_seconds_max = 1;
  start();
  TestClient client(server_->port());
  client.send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  const std::string response = client.receive();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 408 ")) << response;
  EXPECT_NE(response.find("request_seconds_max (1 s)"), std::string::npos);
}

TEST_F(HttpTest, IdleConnectionsAreClosed) {
  options_.idle_seconds_max = 1;
  start();
  TestClient client(server_->port());
  client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpTest, ATakenPortIsTold) {
  start();
  HttpOptions options = options_;
  options.port = server_->port();
  const Result<std::unique_ptr<HttpServer>> second = HttpServer::start(options, handler_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::kConflict);
  EXPECT_NE(second.error().message().find("is in use"), std::string::npos);
}

TEST_F(HttpTest, AHostThatIsNoAddressIsTold) {
  options_.host = "nowhere.example";
  EXPECT_EQ(HttpServer::start(options_, handler_).error().code(), Code::kInvalidArgument);
}

TEST_F(HttpTest, StopLetsRunningRequestsEnd) {
  start();
  TestClient idle(server_->port());
  idle.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  TestClient busy(server_->port());
  busy.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.wait_until_held();
  const std::unique_ptr<Executor> pool = make_thread_pool(1);
  pool->submit([&] {
    EXPECT_TRUE(idle.closed());  // idle ones go first, and show that stopping has begun
    handler_.release();
  });
  EXPECT_TRUE(server_->stop(30));
  const std::string response = busy.receive();
  EXPECT_EQ(body_of(response), "GET /held 0 ");
  EXPECT_NE(response.find("Connection: close"), std::string::npos);
  EXPECT_FALSE(TestClient(server_->port()).connected());
}

TEST_F(HttpTest, StopCutsWhatDoesNotEnd) {
  start();
  TestClient busy(server_->port());
  busy.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.wait_until_held();
  EXPECT_FALSE(server_->stop(0));
  EXPECT_EQ(busy.receive(), "");
  handler_.release();  // a reply after the end reaches nobody and harms nothing
}

}  // namespace
}  // namespace ferres
