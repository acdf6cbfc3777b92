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
  Service(Context& context, Cors cors, bool audit_searches = false);

  bool streams(std::string_view method, std::string_view target) const override;
  std::shared_ptr<BodySink> handle(HttpRequest request, Reply reply) override;
  HttpResponse refuse(int status, std::string_view message) override;

 private:
  std::optional<Answer> refusal(const HttpRequest& request, const Operation& operation, Call& call,
                                std::string& headers) const;

  /// Of one operation.
  struct Series {
    std::shared_ptr<Counter> ok;  // status 200, the common case
    std::shared_ptr<Histogram> duration_ms;
    Audited audited;
  };
  /// A call as long as it takes.
  struct Asked {
    const Operation& operation;
    uint64_t started_nanos = 0;
    std::string collection;
    std::string user;
    std::string client_ip;
    std::shared_ptr<AuditNote> note;  // null: not audited
  };
  bool is_audited(const Operation& operation, bool refused) const;
  /// Counts an answer (http_requests_total, http_request_duration_ms) and tells the audit log.
  void ended(const Asked& asked, int status) const;
  std::string resource_of(const Asked& asked) const;
  const Series& series_of(const Operation& operation) const {
    return series_[static_cast<size_t>(&operation - api_operations().data())];
  }

  Context& context_;
  const Cors cors_;
  const bool audit_searches_;
  const Router router_;
  std::vector<Series> series_;  // as the operations table
};

}  // namespace ferres
