// Tracing spans: which part of a request took how long. A Span measures its own lifetime and knows
// the span that was current on its thread when it began; finished spans go to a sink (an exporter
// in telemetry/, a test). Without a sink a span costs one load.
//
//   Span span("hnsw_search");
//   span.set("ef", ef);
//
// Work that moves to another thread takes current_span() along and opens a SpanScope there. A Span
// stays on the thread that made it.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ferres {

/// Names a span across threads and processes, as W3C trace context does. All zero: none.
struct SpanContext {
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
  uint64_t span_id = 0;
  bool operator==(const SpanContext&) const = default;
};

using SpanValue = std::variant<std::string, int64_t, double>;

struct SpanRecord {
  SpanContext context;
  uint64_t parent_id = 0;  // 0: the trace begins here
  const char* name = "";
  uint64_t start_unix_nanos = 0;
  uint64_t duration_nanos = 0;
  bool failed = false;
  std::vector<std::pair<const char*, SpanValue>> attributes;
};

class SpanSink {
 public:
  virtual ~SpanSink() = default;
  /// Called from the thread whose span ended; must be quick and must not open spans.
  virtual void take(SpanRecord span) = 0;
};

/// The sink stays where it is until no span can be running any more; null turns tracing off.
void set_span_sink(SpanSink* sink);

/// The innermost open span of this thread, or the scope's.
SpanContext current_span();

class Span {
 public:
  /// name and attribute keys are literals.
  explicit Span(const char* name);
  ~Span();
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  bool recording() const { return sink_ != nullptr; }
  void set(const char* key, std::string_view value);
  void set(const char* key, double value);
  template <std::integral T>
  void set(const char* key, T value) {
    set_integer(key, static_cast<int64_t>(value));
  }
  void fail();

 private:
  void set_integer(const char* key, int64_t value);

  SpanSink* const sink_;
  uint64_t start_monotonic_nanos_ = 0;
  SpanContext outer_;
  SpanRecord record_;
};

/// Makes `context` the parent of the spans this thread opens while the scope lives.
class SpanScope {
 public:
  explicit SpanScope(const SpanContext& context);
  ~SpanScope();
  SpanScope(const SpanScope&) = delete;
  SpanScope& operator=(const SpanScope&) = delete;

 private:
  const SpanContext outer_;
};

/// A context with fresh ids, for a request that brought none.
SpanContext new_trace();

}  // namespace ferres
