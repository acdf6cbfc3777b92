// What a log line looks like, and that no value can forge one.
#include "base/logging.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace ferres {
namespace {

class LoggingTest : public testing::Test {
 protected:
  void configure(bool json, LogLevel level = LogLevel::kInfo) {
    configure_logging({level, json, [this](std::string_view line) { lines_.emplace_back(line); }});
  }
  void TearDown() override { configure_logging({}); }

  /// The line from "level" on: the time varies.
  std::string tail() const {
    const std::string& line = lines_.back();
    return line.substr(line.find("level"));
  }

  std::vector<std::string> lines_;
};

TEST_F(LoggingTest, LinesCarryEventAndFields) {
  configure(false);
  const std::string name = "docs";
  log_info("opened",
           {{"collection", name}, {"points", 12u}, {"delta", -3}, {"ms", 1.5}, {"ok", true}});
  EXPECT_EQ(tail(), "level=info event=opened collection=docs points=12 delta=-3 ms=1.5 ok=true\n");
  EXPECT_EQ(lines_.back().rfind("time=2", 0), 0u);
  log_error("failed", {{"why", Status(Code::kIo, "disk: read error")}});
  EXPECT_EQ(tail(), "level=error event=failed why=\"disk: read error\"\n");
}

TEST_F(LoggingTest, JsonLinesAreObjects) {
  configure(true);
  log_warning("slow", {{"collection", "a\"b"}, {"ms", 2.0}, {"n", uint64_t{7}}});
  EXPECT_EQ(tail(),
            "level\":\"warning\",\"event\":\"slow\",\"collection\":\"a\\\"b\",\"ms\":2,\"n\":7}\n");
  EXPECT_EQ(lines_.back().rfind("{\"time\":\"2", 0), 0u);
  log_warning("slow", {{"ms", std::numeric_limits<double>::infinity()}});
  EXPECT_NE(tail().find("\"ms\":\"inf\""), std::string::npos);
}

TEST_F(LoggingTest, ValuesCannotForgeLinesOrFormats) {
  configure(false);
  log_info("named", {{"name", "a\nlevel=error {} %v \x01"}, {"empty", ""}});
  EXPECT_EQ(tail(), "level=info event=named name=\"a\\nlevel=error {} %v \\u0001\" empty=\"\"\n");
}

TEST_F(LoggingTest, LinesBelowTheLevelAreNotWritten) {
  configure(false, LogLevel::kWarning);
  log_info("quiet");
  log_debug("quiet");
  EXPECT_TRUE(lines_.empty());
  EXPECT_FALSE(log_enabled(LogLevel::kInfo));
  log_warning("loud");
  EXPECT_EQ(lines_.size(), 1u);
  configure(false, LogLevel::kOff);
  log_error("off");
  EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(LoggingTest, LevelsHaveNames) {
  EXPECT_EQ(*parse_log_level("warn"), LogLevel::kWarning);
  EXPECT_EQ(*parse_log_level("off"), LogLevel::kOff);
  EXPECT_EQ(*parse_log_level("trace"), LogLevel::kDebug);  // the original knows it
  EXPECT_EQ(parse_log_level("loud").error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace ferres
