// Spans: a thread-local current context and a process-wide sink. Any thread.
#include "base/span.h"

#include <atomic>

#include "base/clock.h"
#include "base/random.h"

namespace ferres {
namespace {

constinit std::atomic<SpanSink*> sink{nullptr};
constinit thread_local SpanContext current;

uint64_t new_id() {
  thread_local Random random(random_seed());
  return random.next() | 1;  // 0 means none
}

}  // namespace

void set_span_sink(SpanSink* new_sink) {
  sink.store(new_sink, std::memory_order_release);
}

SpanContext current_span() {
  return current;
}

SpanContext new_trace() {
  return {new_id(), new_id(), 0};
}

Span::Span(const char* name) : sink_(sink.load(std::memory_order_acquire)) {
  if (sink_ == nullptr) return;
  outer_ = current;
  record_.context = outer_.trace_low == 0 && outer_.trace_high == 0 ? new_trace() : outer_;
  record_.context.span_id = new_id();
  record_.parent_id = outer_.span_id;
  record_.name = name;
  record_.start_unix_nanos = system_clock().unix_micros() * 1000;
  start_monotonic_nanos_ = system_clock().monotonic_nanos();
  current = record_.context;
}

Span::~Span() {
  if (sink_ == nullptr) return;
  record_.duration_nanos = system_clock().monotonic_nanos() - start_monotonic_nanos_;
  current = outer_;
  sink_->take(std::move(record_));
}

void Span::set(const char* key, std::string_view value) {
  if (sink_ != nullptr) record_.attributes.emplace_back(key, std::string(value));
}

void Span::set_integer(const char* key, int64_t value) {
  if (sink_ != nullptr) record_.attributes.emplace_back(key, value);
}

void Span::set(const char* key, double value) {
  if (sink_ != nullptr) record_.attributes.emplace_back(key, value);
}

void Span::fail() {
  record_.failed = true;
}

SpanScope::SpanScope(const SpanContext& context) : outer_(current) {
  current = context;
}

SpanScope::~SpanScope() {
  current = outer_;
}

}  // namespace ferres
