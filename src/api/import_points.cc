// POST /api/v1/collections/{name}/import (API.md 16.2): points, one JSON object a line, as export
// writes them and as the original keeps them in points.jsonl. They are written in batches while
// they arrive; a line that is wrong is told and does not stop the rest. What was written stays when
// the client goes away in the middle.
//
// Backpressure: further bytes are asked for when at most one batch waits for its turn.
#include <atomic>
#include <utility>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"
#include "base/mutex.h"

namespace ferres {
namespace {

constexpr size_t kImportsMax = 16;
constexpr size_t kLineBytesMax = 8 << 20;
constexpr size_t kBatchBytesMax = 4 << 20;  // of lines
constexpr size_t kBatchesWaiting = 1;
constexpr size_t kFailedTold = 100;
constexpr uint64_t kMicros = 1'000'000;

struct FailedLine {
  uint64_t line = 0;
  std::string id;  // empty: nobody knows
  std::string reason;
};

/// Points on their way, and the lines that they are from.
struct Batch {
  UpsertRequest request;
  std::vector<uint64_t> lines;
  size_t bytes = 0;
};

bool is_empty_container(JsonValue value) {
  if (value.is_object()) return value.get_object().value_unsafe().size() == 0;
  return value.is_array() && value.get_array().value_unsafe().size() == 0;
}

class Import : public BodySink, public std::enable_shared_from_this<Import> {
 public:
  Import(Context& context, uint64_t task, std::shared_ptr<Collection> collection, const Call& call,
         bool async, Reply reply)
      : context_(context),
        task_(task),
        collection_(std::move(collection)),
        principal_(call.principal),
        ns_(call.ambient_namespace()),
        async_(async),
        reply_(std::move(reply)) {}
  ~Import() override {
    if (replied_) return;
    const char* const why = context_.stopping ? "the server stopped" : "the client went away";
    context_.tasks.end(task_, {Code::kUnavailable, why});
  }
  Import(const Import&) = delete;
  Import& operator=(const Import&) = delete;

  void write(std::string bytes, std::function<void()> more) override;
  void end() override;

 private:
  void take_line(std::string_view line);
  Result<bool> read_line(std::string_view line, PointInput& point);
  Status read_times(const JsonFields& fields, PointInput& point);
  void line_failed(uint64_t line, std::string id, std::string reason);
  void send_batch();
  void batch_done(const Batch& sent, Result<UpsertResult> result);
  void resume_if_due();
  void finish(const Status& status);

  Context& context_;
  const uint64_t task_;
  const std::shared_ptr<Collection> collection_;
  const Principal principal_;
  const std::optional<std::string> ns_;  // of points that name none
  const bool async_;
  const Reply reply_;

  // the transport's call
  std::string rest_;       // the beginning of a line
  bool too_long_ = false;  // of the line that rest_ begins: skipped to its end
  Batch batch_;
  std::atomic<uint64_t> line_{0};  // read by who answers

  // from here on also the lane's callbacks
  Mutex mutex_;
  size_t waiting_ GUARDED_BY(mutex_) = 0;    // batches
  bool writing_ GUARDED_BY(mutex_) = false;  // the transport is in its call: no answer yet
  std::function<void()> more_ GUARDED_BY(mutex_);
  bool ended_ GUARDED_BY(mutex_) = false;
  Status broken_ GUARDED_BY(mutex_);  // why nothing more is taken
  uint64_t imported_ GUARDED_BY(mutex_) = 0;
  uint64_t expired_ GUARDED_BY(mutex_) = 0;
  uint64_t relations_ GUARDED_BY(mutex_) = 0;  // points that had some
  uint64_t failed_total_ GUARDED_BY(mutex_) = 0;
  std::vector<FailedLine> failed_ GUARDED_BY(mutex_);
  uint64_t refused_line_ GUARDED_BY(mutex_) = ~uint64_t{0};  // first of the batches not written
  Lsn lsn_ GUARDED_BY(mutex_) = 0;
  std::atomic<bool> replied_{false};
};

void Import::write(std::string bytes, std::function<void()> more) {
  Status status = context_.tasks.progress(task_, line_, 0);
  if (status.ok()) status = context_.accounts.check_still(principal_);
  if (context_.stopping) status = {Code::kUnavailable, "the server is stopping"};
  {
    const MutexLock lock(mutex_);
    if (!status.ok() && broken_.ok()) broken_ = std::move(status);
    more_ = std::move(more);
    writing_ = true;
    if (!broken_.ok()) bytes.clear();
  }
  std::string_view left = bytes;
  for (size_t end = left.find('\n'); end != std::string_view::npos; end = left.find('\n')) {
    if (rest_.empty()) {
      take_line(left.substr(0, end));
    } else {
      take_line(std::exchange(rest_, {}).append(left.substr(0, end)));
    }
    left.remove_prefix(end + 1);
  }
  if (rest_.size() + left.size() > kLineBytesMax) too_long_ = true;
  if (too_long_) {
    rest_ = "?";  // stands for what was skipped
  } else {
    rest_.append(left);
  }
  {
    const MutexLock lock(mutex_);
    writing_ = false;
  }
  resume_if_due();
}

void Import::end() {
  {
    const MutexLock lock(mutex_);
    writing_ = true;
  }
  bool broken = false;
  {
    const MutexLock lock(mutex_);
    broken = !broken_.ok();
  }
  // Else what is left may be half a line.
  if (!broken && !rest_.empty()) take_line(std::exchange(rest_, {}));
  send_batch();
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    writing_ = false;
  }
  resume_if_due();
}

/// Asks for more bytes, or answers.
void Import::resume_if_due() {
  std::function<void()> more;
  bool finished = false;
  {
    const MutexLock lock(mutex_);
    if (waiting_ <= kBatchesWaiting) more = std::exchange(more_, nullptr);
    finished = waiting_ == 0 && !writing_ && (ended_ || !broken_.ok()) && !replied_.exchange(true);
  }
  if (finished) {
    Status status;
    {
      const MutexLock lock(mutex_);
      status = broken_.clone();
    }
    finish(status);
  }
  if (more) more();
}

void Import::take_line(std::string_view line) {
  ++line_;
  if (std::exchange(too_long_, false)) {
    return line_failed(line_, {},
                       "a line of more than " + std::to_string(kLineBytesMax) + " bytes");
  }
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  PointInput point;
  const Result<bool> living = read_line(line, point);
  if (!living.ok()) return line_failed(line_, point.id, std::string(living.error().message()));
  if (!*living) {
    const MutexLock lock(mutex_);
    ++expired_;
    return;
  }
  batch_.lines.push_back(line_);
  batch_.request.points.push_back(std::move(point));
  batch_.bytes += line.size();
  if (batch_.request.points.size() == kPointsPerUpsertMax || batch_.bytes >= kBatchBytesMax)
    send_batch();
}

/// False when the point's time is over.
Result<bool> Import::read_line(std::string_view line, PointInput& point) {
  std::string text(line);
  TRY_ASSIGN(const JsonValue value, parse_body(text));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(value));
  std::string reason;
  TRY(read_point(fields, line_, point, reason));
  if (!reason.empty()) return Status(Code::kInvalidArgument, std::move(reason));
  // The original's storage id: namespace NUL id.
  if (const size_t nul = point.id.find('\0'); nul != std::string::npos) {
    std::string ns = point.id.substr(0, nul);
    if (point.ns && *point.ns != ns)
      return Status(Code::kInvalidArgument, "the id names another namespace than the point");
    point.ns = std::move(ns);
    point.id.erase(0, nul + 1);
  }
  TRY_ASSIGN(point.ns, namespace_within(principal_, point.ns ? point.ns : ns_));
  if (const JsonValue* relations = fields.find("relations");
      relations != nullptr && !is_empty_container(*relations)) {
    const MutexLock lock(mutex_);
    ++relations_;
  }
  TRY(read_times(fields, point));
  return !point.expires_micros || *point.expires_micros > context_.clock.unix_micros();
}

Status Import::read_times(const JsonFields& fields, PointInput& point) {
  TRY(fields.read("created_at", point.created_at));
  std::optional<uint64_t> expires;
  TRY(fields.read("expires_at", expires));
  if (!expires) return {};
  if (*expires > ~uint64_t{0} / kMicros)
    return {Code::kInvalidArgument, "expires_at is in Unix seconds"};
  point.expires_micros = *expires * kMicros;
  return {};
}

void Import::line_failed(uint64_t line, std::string id, std::string reason) {
  const MutexLock lock(mutex_);
  ++failed_total_;
  if (failed_.size() < kFailedTold) failed_.push_back({line, std::move(id), std::move(reason)});
}

void Import::send_batch() {
  if (batch_.request.points.empty()) return;
  const auto sent = std::make_shared<Batch>(std::exchange(batch_, {}));
  {
    const MutexLock lock(mutex_);
    if (!broken_.ok()) {
      refused_line_ = std::min(refused_line_, sent->lines.front());
      return;
    }
    ++waiting_;
  }
  sent->request.async = async_;
  collection_->upsert(std::move(sent->request),
                      [self = shared_from_this(), sent](Result<UpsertResult> result) {
                        self->batch_done(*sent, std::move(result));
                      });
}

void Import::batch_done(const Batch& sent, Result<UpsertResult> result) {
  if (result.ok()) {
    context_.query_stats.record_written(collection_->config().name, result->upserted);
    for (size_t i = 0; i < result->failed.size(); ++i) {
      auto& [id, reason] = result->failed[i];
      line_failed(sent.lines[result->failed_points[i]], std::move(id), std::move(reason));
    }
  }
  {
    const MutexLock lock(mutex_);
    --waiting_;
    if (result.ok()) {
      imported_ += result->upserted;
      lsn_ = std::max(lsn_, result->lsn);
    } else {
      refused_line_ = std::min(refused_line_, sent.lines.front());
      if (broken_.ok()) broken_ = std::move(result).error();
    }
  }
  resume_if_due();
}

void Import::finish(const Status& status) {
  context_.tasks.end(task_, status);
  JsonWriter json;
  const MutexLock lock(mutex_);
  json.begin_object();
  Answer answer;
  if (!status.ok()) {
    const ErrorRow& row = error_row(status.code());
    answer.status = row.http_status;
    json.field("error", row.word);
    uint64_t next = std::min(refused_line_, line_ + 1);
    if (!batch_.lines.empty()) next = std::min(next, batch_.lines.front());
    json.field("message", "the import ended before line " + std::to_string(next) + ": " +
                              std::string(status.message()));
    json.field("code", row.http_status).field("next_line", next);
  }
  json.field("imported", imported_).field("expired", expired_);
  if (relations_ != 0) json.field("relations_left_out", relations_);
  json.key("failed").begin_array();
  for (const FailedLine& failed : failed_) {
    json.begin_object().field("line", failed.line);
    if (!failed.id.empty()) json.field("id", std::string_view(failed.id));
    json.field("reason", std::string_view(failed.reason)).end_object();
  }
  json.end_array().field("failed_total", failed_total_);
  write_commit(json, async_, lsn_);
  json.end_object();
  answer.body = json.take();
  reply_(std::move(answer));
}

}  // namespace

void import_points(Context& context, Call& call, const Reply& reply) {
  if (const Status status = check_unrestricted(call); !status.ok())
    return reply(error_answer(status));
  const Result<bool> async = read_async(call);
  if (!async.ok()) return reply(error_answer(async.error()));
  auto collection = context.db.find(call.collection);
  if (!collection.ok()) return reply(error_answer(collection.error()));
  const Result<uint64_t> task = context.tasks.begin("import", call.collection, kImportsMax);
  if (!task.ok()) return reply(error_answer(task.error()));
  call.sink = std::make_shared<Import>(context, *task, *std::move(collection), call, *async, reply);
}

}  // namespace ferres
