// What happens to a request between the transport and an operation: CORS, routing, credentials,
// permission, content type; and to the answer: metrics, log line. Authorization comes before
// anything that has a side effect. Thread-safe.
#pragma once
#include "api/context.h"
#include "api/operations.h"
#include "base/metrics.h"
#include "base/token_bucket.h"
#include "server/cors.h"
#include "server/http.h"
#include "server/rate_limit.h"
#include "server/router.h"

namespace ferres {

class Service final : public HttpHandler {
 public:
  struct Options {
    Cors cors;
    bool audit_searches = false;
    RateLimitOptions rate_limit = {};
  };
  /// The context outlives the service.
  Service(Context& context, Options options);

  bool streams(std::string_view method, std::string_view target) const override;
  std::shared_ptr<BodySink> handle(HttpRequest request, Reply reply) override;
  HttpResponse refuse(int status, std::string_view message) override;

 private:
  std::optional<Answer> refusal(const HttpRequest& request, const Operation& operation, Call& call,
                                std::string& headers);

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
    bool is_stranger = false;  // no credential that is good
    std::string client_ip;
    std::shared_ptr<AuditNote> note;  // null: not audited
  };
  bool is_audited(const Operation& operation, bool refused) const;
  /// Counts an answer (http_requests_total, http_request_duration_ms) and tells the audit log.
  void ended(const Asked& asked, int status);
  void audit(const Asked& asked, int status, uint64_t nanos);
  /// The details of a refusal; nothing when it is only counted.
  std::optional<std::string> told_refusal(const Asked& asked);
  std::string resource_of(const Asked& asked) const;
  const Series& series_of(const Operation& operation) const {
    return series_[static_cast<size_t>(&operation - api_operations().data())];
  }

  Context& context_;
  const Cors cors_;
  const bool audit_searches_;
  RateLimit rate_limit_;
  const Router router_;
  Mutex strangers_mutex_;
  TokenBucket strangers_ GUARDED_BY(strangers_mutex_);  // refusals of whom nobody knows
  uint64_t strangers_untold_ GUARDED_BY(strangers_mutex_) = 0;
  std::vector<Series> series_;  // as the operations table
};

}  // namespace ferres
