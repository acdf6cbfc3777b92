// POST /api/v1/collections/{name}/export (API.md 16.2): the points of a collection as they are at
// one LSN, one JSON object a line, made while it is sent. A slow client keeps nobody waiting: the
// stream reads files of its own (Collection::stream).
#include <utility>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {
namespace {

constexpr size_t kExportsMax = 16;
constexpr size_t kPieceBytes = 64 << 10;
constexpr uint64_t kSlotsAPiece = 4096;  // so that a filter with few matches gives way to others
constexpr uint64_t kMicros = 1'000'000;

void write_line(JsonWriter& json, const Point& point, bool with_vector) {
  json.begin_object().field("id", std::string_view(point.id));
  if (with_vector) {
    json.key("vector");
    point.vector.empty() ? json.null() : json.numbers(point.vector);
    if (point.approximate) json.field("approximate", true);
  }
  json.key("metadata").raw(point.metadata_json).field("created_at", point.created_at);
  if (point.ns) json.field("namespace", std::string_view(*point.ns));
  // Rounded up: a point must not end early.
  if (point.expires_micros != 0)
    json.field("expires_at", (point.expires_micros + kMicros - 1) / kMicros);
  json.end_object();
}

class ExportSource : public BodySource {
 public:
  ExportSource(Context& context, uint64_t task, Principal principal,
               std::unique_ptr<PointStream> stream, bool with_vector)
      : context_(context),
        task_(task),
        principal_(std::move(principal)),
        stream_(std::move(stream)),
        with_vector_(with_vector) {}
  ~ExportSource() override { context_.tasks.end(task_, ended_); }
  ExportSource(const ExportSource&) = delete;
  ExportSource& operator=(const ExportSource&) = delete;

  Result<std::optional<std::string>> next() override {
    Result<std::optional<std::string>> piece = make_piece();
    if (!piece.ok()) {
      ended_ = piece.error().clone();
    } else if (!*piece) {
      ended_ = Status();
    }
    return piece;
  }

 private:
  Result<std::optional<std::string>> make_piece() {
    if (context_.stopping)
      return Status(Code::kUnavailable, "the server is stopping: the export is not whole");
    TRY(context_.tasks.progress(task_, stream_->points_done(), stream_->points_total()));
    TRY(context_.accounts.check_still(principal_));
    if (!more_) return std::optional<std::string>();
    std::string piece;
    JsonWriter json;
    TRY_ASSIGN(more_, stream_->read(kSlotsAPiece, [&](const Point& point) {
      write_line(json, point, with_vector_);
      piece += json.take();
      json = JsonWriter();
      piece += '\n';
      return piece.size() < kPieceBytes;
    }));
    return std::optional(std::move(piece));
  }

  Context& context_;
  const uint64_t task_;
  const Principal principal_;
  const std::unique_ptr<PointStream> stream_;
  const bool with_vector_;
  bool more_ = true;
  Status ended_{Code::kUnavailable, "the client went away"};
};

struct ExportCall {
  std::shared_ptr<Collection> collection;
  StreamRequest stream;
};

Result<ExportCall> read_export(Context& context, Call& call) {
  ExportCall result;
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY_ASSIGN(Scope scope, read_scope(fields, call));
  result.stream.ns = std::move(scope.ns);
  result.stream.namespaces = std::move(scope.namespaces);
  result.stream.filter = std::move(scope.filter);
  TRY(fields.read("with_vector", result.stream.with_vector));
  TRY_ASSIGN(result.collection, context.db.find(call.collection));
  return result;
}

}  // namespace

void export_points(Context& context, Call& call, const Reply& reply) {
  Result<ExportCall> read = read_export(context, call);
  if (!read.ok()) return reply(error_answer(read.error()));
  const Result<uint64_t> task = context.tasks.begin("export", call.collection, kExportsMax);
  if (!task.ok()) return reply(error_answer(task.error()));
  // The checkpoint that the stream begins with takes its time.
  const auto shared = std::make_shared<ExportCall>(*std::move(read));
  context.long_requests.submit([&context, shared, task = *task, who = call.principal, reply] {
    const bool with_vector = shared->stream.with_vector;
    auto stream = shared->collection->stream(std::move(shared->stream));
    if (!stream.ok()) {
      context.tasks.end(task, stream.error());
      return reply(error_answer(stream.error()));
    }
    reply(Answer{.status = 200,
                 .body = {},
                 .content_type = "application/x-ndjson",
                 .source = std::make_shared<ExportSource>(context, task, who, *std::move(stream),
                                                          with_vector)});
  });
}

}  // namespace ferres
