// What happens to a request between the transport and an operation: CORS, routing, credentials,
// permission, content type; and to the answer: metrics, log line. Authorization comes before
// anything that has a side effect. Thread-safe.
#pragma once
#include "api/context.h"
#include "api/operations.h"
#include "auth/api_keys.h"
#include "server/cors.h"
#include "server/http.h"
#include "server/router.h"

namespace ferres {

class Service final : public HttpHandler {
 public:
  /// Context and keys outlive the service.
  Service(Context& context, const ApiKeys& keys, Cors cors);

  void handle(HttpRequest request, Reply reply) override;
  HttpResponse refuse(int status, std::string_view message) override;

 private:
  /// An operation to run, or the answer that refuses the request.
  Result<Route> admit(const HttpRequest& request, Principal& principal, Answer& refusal,
                      std::string& headers) const;

  Context& context_;
  const ApiKeys& keys_;
  const Cors cors_;
  const Router router_;
};

}  // namespace ferres
