// The shapes of errors, and that no code was forgotten.
#include "api/errors.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Errors, EveryCodeHasARow) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    EXPECT_EQ(error_row(static_cast<Code>(code)).code, static_cast<Code>(code)) << code;
  }
}

TEST(Errors, ShapeAHasAnIntegerCode) {
  const Answer answer = error_answer(Status(Code::kNotFound, "collection 'a\"b' not found"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"error":"collection_not_found",)"
                         R"("message":"collection 'a\"b' not found","code":404})");
}

TEST(Errors, PathsBeginInTheDataFolder) {
  const Status status(Code::kCorruption,
                      "collection 'a' is unavailable: /var/lib/x/collections/a/wal: see "
                      "/api/v1/collections/a and '/srv/x/system/wal'");
  EXPECT_EQ(error_answer(status).body,
            R"({"error":"unavailable","message":"collection 'a' is unavailable: )"
            R"(collections/a/wal: see /api/v1/collections/a and 'system/wal'","code":503})");
}

TEST(Errors, ShapeBRepeatsItsWord) {
  const Answer answer = auth_error_answer(Status(Code::kForbidden, "invalid API key"));
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body, R"({"message":"invalid API key","code":"forbidden","error":"forbidden"})");
  EXPECT_EQ(auth_error_answer(Status(Code::kUnauthenticated, "x")).status, 401);
}

TEST(Errors, BadInputIsNeverAServerError) {
  for (const Code code : {Code::kNotFound, Code::kAlreadyExists, Code::kInvalidArgument,
                          Code::kInvalidDimension, Code::kUnprocessable, Code::kTooLarge}) {
    EXPECT_LT(error_row(code).http_status, 500);
  }
}

}  // namespace
}  // namespace ferres
