// What happens to a request between the transport and an operation: CORS, routing, credentials,
// permission, content type; and to the answer: metrics, log line. Authorization comes before
// anything that has a side effect. Thread-safe.
#pragma once
#include "api/context.h"
#include "api/operations.h"
#include "base/metrics.h"
#include "server/cors.h"
#include "server/http.h"
#include "server/router.h"

namespace ferres {

class Service final : public HttpHandler {
 public:
  /// The context outlives the service.
  Service(Context& context, Cors cors);

  bool streams(std::string_view method, std::string_view target) const override;
  std::shared_ptr<BodySink> handle(HttpRequest request, Reply reply) override;
  HttpResponse refuse(int status, std::string_view message) override;

 private:
  std::optional<Answer> refusal(const HttpRequest& request, const Operation& operation, Call& call,
                                std::string& headers) const;

  struct Series {
    std::shared_ptr<Counter> ok;  // status 200, the common case
    std::shared_ptr<Histogram> duration_ms;
  };
  /// Counts an answer: http_requests_total and http_request_duration_ms.
  void count(const Operation& operation, int status, double ms) const;

  Context& context_;
  const Cors cors_;
  const Router router_;
  std::vector<Series> series_;  // as the operations table
};

}  // namespace ferres
