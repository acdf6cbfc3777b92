// From a request to an answer without a socket: routing, credentials, content type, CORS. The
// database is a real one on a simulated disk.
#include "server/service.h"

#include <gtest/gtest.h>

#include "api/test_api.h"

namespace ferres {
namespace {

class ServiceTest : public ApiTest {
 protected:
  HttpResponse ask(HttpRequest request) {
    std::optional<HttpResponse> response;
    service_.handle(std::move(request), [&](HttpResponse given) { response = std::move(given); });
    executor_.run_all();
    EXPECT_TRUE(response.has_value());
    return response.value_or(HttpResponse{});
  }
  HttpRequest request(std::string_view method, std::string_view target, std::string body = "") {
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.authorization = "Bearer secret";
    request.content_type = "application/json";
    request.body = std::move(body);
    return request;
  }
  Service service_{*context_, {.cors = Cors({})}};
};

TEST_F(ServiceTest, AnswersCarryTheOperationsStatus) {
  EXPECT_EQ(ask(request("POST", "/api/v1/collections",
                        R"({"name":"docs","dimension":2,"distance":"Cosine"})"))
                .status,
            201);
  EXPECT_EQ(ask(request("POST", "/api/v1/collections/docs/points",
                        R"({"points":[{"id":"a/b","vector":[1,2]}]})"))
                .status,
            200);
  EXPECT_EQ(ask(request("GET", "/api/v1/collections/docs/points/a%2Fb")).status, 200);
  EXPECT_EQ(ask(request("GET", "/api/v1/collections/docs/points/a/b")).status, 200);
  EXPECT_EQ(ask(request("DELETE", "/api/v1/collections/docs")).status, 204);
}

TEST_F(ServiceTest, UnknownRoutesAndMethodsAnswerInShapeA) {
  const HttpResponse unknown = ask(request("GET", "/api/v2"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(unknown.body.find(R"("error":"invalid_payload")"), std::string::npos);
  const HttpResponse method = ask(request("PUT", "/health"));
  EXPECT_EQ(method.status, 405);
  EXPECT_NE(method.body.find(R"("error":"method_not_allowed")"), std::string::npos);
  EXPECT_EQ(method.headers, "Allow: GET\r\n");
  EXPECT_EQ(ask(request("GET", "/api/v1/collections/%zz")).status, 400);
}

TEST_F(ServiceTest, BodiesMustBeCalledJson) {
  create();
  for (const char* type :
       {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"}) {
    HttpRequest wrong = request("POST", "/api/v1/collections/docs/search", "{}");
    wrong.content_type = type;
    EXPECT_EQ(ask(std::move(wrong)).status, 415) << type;
  }
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8"}) {
    HttpRequest right = request("POST", "/api/v1/collections/docs/search", "{}");
    right.content_type = type;
    EXPECT_EQ(ask(std::move(right)).status, 422) << type;
  }
}

TEST_F(ServiceTest, PreflightNeedsNoKey) {
  HttpRequest preflight = request("OPTIONS", "/api/v1/collections");
  preflight.authorization.reset();
  preflight.origin = "http://localhost:5173";
  preflight.preflight_method = "POST";
  const HttpResponse response = ask(std::move(preflight));
  EXPECT_EQ(response.status, 204);
  EXPECT_NE(response.headers.find("Access-Control-Allow-Methods"), std::string::npos);
  HttpRequest get = request("GET", "/health");
  get.origin = "http://localhost:5173";
  EXPECT_NE(ask(std::move(get)).headers.find("Access-Control-Allow-Origin"), std::string::npos);
  HttpRequest evil = request("GET", "/health");
  evil.origin = "http://evil.example";
  EXPECT_EQ(ask(std::move(evil)).headers.find("Access-Control-Allow-Origin"), std::string::npos);
}

TEST_F(ServiceTest, RequestsAreCountedByRoute) {
  create();
  ask(request("GET", "/api/v1/collections/docs/points/some-id"));
  const HttpResponse metrics = ask(request("GET", "/metrics"));
  EXPECT_NE(
      metrics.body.find("http_requests_total{endpoint=\"/api/v1/collections/:name/points/:id\","
                        "method=\"GET\",status=\"404\"}"),
      std::string::npos);
  EXPECT_EQ(metrics.body.find("some-id"), std::string::npos);
}

}  // namespace
}  // namespace ferres
