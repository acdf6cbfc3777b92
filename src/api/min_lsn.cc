// Waiting by looking now and then: what is waited for is mostly there already.
#include "api/min_lsn.h"

#include <algorithm>

#include "api/errors.h"
#include "api/requests.h"

namespace ferres {
namespace {

constexpr uint64_t kTimeoutMs = 1000;
constexpr uint64_t kTimeoutMsMax = 60'000;
constexpr uint64_t kLookMicros = 2000;
constexpr uint64_t kNanosPerMs = 1'000'000;

struct Wanted {
  std::optional<uint64_t> lsn;
  uint64_t timeout_ms = kTimeoutMs;
};

Result<Wanted> read_wanted(Call& call) {
  Wanted wanted;
  TRY_ASSIGN(wanted.timeout_ms, query_number(call, "timeout_ms", kTimeoutMs));
  if (call.parameter("min_lsn") != nullptr) {
    TRY_ASSIGN(wanted.lsn, query_number(call, "min_lsn", 0));
  } else if (call.body.find("\"min_lsn\"") != std::string::npos) {
    // What else is wrong with the body, the handler tells.
    const Result<JsonValue> body = parse_body(call.body);
    if (!body.ok()) return wanted;
    const Result<JsonFields> fields = JsonFields::of(*body);
    if (!fields.ok()) return wanted;
    TRY(fields->read("min_lsn", wanted.lsn));
    TRY(fields->read("timeout_ms", wanted.timeout_ms));
  }
  wanted.timeout_ms = std::min(wanted.timeout_ms, kTimeoutMsMax);
  return wanted;
}

struct Waiting {
  Context& context;
  Call call;
  Reply reply;
  Handler handler;
  uint64_t lsn = 0;
  uint64_t until_nanos = 0;
};

Status not_applied(const Collection& collection, uint64_t min_lsn) {
  return {Code::kPrecondition, "min_lsn " + std::to_string(min_lsn) +
                                   " is not applied yet: the collection is at LSN " +
                                   std::to_string(collection.lsn())};
}

void look(const std::shared_ptr<Waiting>& waiting) {
  Context& context = waiting->context;
  const auto collection = context.db.find(waiting->call.collection);
  if (!collection.ok()) return waiting->reply(error_answer(collection.error()));
  if ((*collection)->lsn() >= waiting->lsn)
    return waiting->handler(context, waiting->call, waiting->reply);
  if (context.stopping || context.clock.monotonic_nanos() >= waiting->until_nanos)
    return waiting->reply(error_answer(not_applied(**collection, waiting->lsn)));
  context.long_requests.submit_after(kLookMicros, [waiting] { look(waiting); });
}

}  // namespace

void when_applied(Context& context, Call& call, const Reply& reply, Handler handler) {
  const Result<Wanted> wanted = read_wanted(call);
  if (!wanted.ok()) return reply(error_answer(wanted.error()));
  const std::optional<Lsn> lsn = wanted->lsn;
  if (!lsn) return handler(context, call, reply);
  const auto collection = context.db.find(call.collection);
  if (!collection.ok()) return reply(error_answer(collection.error()));
  if ((*collection)->lsn() >= *lsn) return handler(context, call, reply);
  if (wanted->timeout_ms == 0) return reply(error_answer(not_applied(**collection, *lsn)));
  const uint64_t until = context.clock.monotonic_nanos() + wanted->timeout_ms * kNanosPerMs;
  look(std::make_shared<Waiting>(Waiting{context, std::move(call), reply, handler, *lsn, until}));
}

}  // namespace ferres
