// Spans nest on a thread, travel to another by scope, and are nothing without a sink.
#include "base/span.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

class Collector : public SpanSink {
 public:
  Collector() { set_span_sink(this); }
  ~Collector() override { set_span_sink(nullptr); }
  void take(SpanRecord span) override { spans.push_back(std::move(span)); }
  std::vector<SpanRecord> spans;
};

TEST(Span, WithoutASinkNothingIsCurrent) {
  const Span span("nobody");
  EXPECT_FALSE(span.recording());
  EXPECT_EQ(current_span(), SpanContext{});
}

TEST(Span, NestedSpansNameTheirParent) {
  Collector collector;
  {
    const Span outer("outer");
    {
      const Span first("first");
    }
    {
      const Span second("second");
    }
  }
  ASSERT_EQ(collector.spans.size(), 3u);
  const SpanRecord& outer = collector.spans[2];
  EXPECT_STREQ(outer.name, "outer");
  EXPECT_EQ(outer.parent_id, 0u);
  for (size_t i = 0; i < 2; i++) {
    EXPECT_EQ(collector.spans[i].parent_id, outer.context.span_id);
    EXPECT_EQ(collector.spans[i].context.trace_low, outer.context.trace_low);
    EXPECT_LE(collector.spans[i].duration_nanos, outer.duration_nanos);
  }
  EXPECT_NE(collector.spans[0].context.span_id, collector.spans[1].context.span_id);
  EXPECT_EQ(current_span(), SpanContext{});
}

TEST(Span, ScopeContinuesATraceFromElsewhere) {
  Collector collector;
  const SpanContext caller{1, 2, 3};
  {
    const SpanScope scope(caller);
    EXPECT_EQ(current_span(), caller);
    const Span span("inner");
  }
  EXPECT_EQ(collector.spans[0].parent_id, 3u);
  EXPECT_EQ(collector.spans[0].context.trace_high, 1u);
  EXPECT_EQ(current_span(), SpanContext{});
}

TEST(Span, CarriesAttributesAndFailure) {
  Collector collector;
  {
    Span span("work");
    span.set("ef", 64);
    span.set("collection", "docs");
    span.fail();
  }
  const SpanRecord& record = collector.spans[0];
  EXPECT_TRUE(record.failed);
  ASSERT_EQ(record.attributes.size(), 2u);
  EXPECT_EQ(std::get<int64_t>(record.attributes[0].second), 64);
  EXPECT_EQ(std::get<std::string>(record.attributes[1].second), "docs");
}

TEST(Span, NewTracesDiffer) {
  EXPECT_NE(new_trace().trace_low, new_trace().trace_low);
}

}  // namespace
}  // namespace ferres
