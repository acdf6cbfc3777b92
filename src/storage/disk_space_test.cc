// The reserve against a full disk: given up in time, and taken again.
#include "storage/disk_space.h"

#include <gtest/gtest.h>

#include "base/sim_files.h"

namespace ferres {
namespace {

constexpr uint64_t kReserve = 1 << 20;

class DiskSpaceTest : public testing::Test {
 protected:
  DiskSpaceTest() {
    EXPECT_TRUE(files_.make_dirs("data").ok());
    leave_free(10 * kReserve);
  }
  void leave_free(uint64_t bytes) { files_.set_capacity(files_.used_bytes() + bytes); }
  bool reserved() { return files_.exists("data/RESERVE"); }

  SimFiles files_{1};
  DiskSpace space_{files_, "data", kReserve};
};

TEST_F(DiskSpaceTest, ReservesWhileThereIsRoom) {
  EXPECT_TRUE(space_.admit().ok());
  space_.look(0);
  EXPECT_TRUE(reserved());
  EXPECT_EQ(files_.used_bytes(), kReserve);
  EXPECT_TRUE(space_.admit().ok());
}

TEST_F(DiskSpaceTest, GivesTheReserveUpAndRefusesWrites) {
  space_.look(0);
  leave_free(kReserve - 1);
  space_.look(0);
  EXPECT_FALSE(reserved());
  const Status refused = space_.admit();
  EXPECT_EQ(refused.code(), Code::kNoSpace);
  EXPECT_NE(refused.message().find("3 MiB"), std::string::npos) << refused.message();
  EXPECT_NE(refused.message().find("drop a collection with ?purge=true"), std::string::npos)
      << refused.message();
  // What the reserve left is not yet room to write.
  space_.look(0);
  EXPECT_FALSE(space_.admit().ok());
  leave_free(3 * kReserve - 1);
  space_.look(0);
  EXPECT_FALSE(space_.admit().ok());
  leave_free(3 * kReserve);
  space_.look(0);
  EXPECT_TRUE(space_.admit().ok());
  EXPECT_TRUE(reserved());
}

TEST_F(DiskSpaceTest, AStartOnAFullDiskGivesUpWhatAnEarlierOneReserved) {
  space_.look(0);
  leave_free(0);
  DiskSpace next(files_, "data", kReserve);
  next.look(0);
  EXPECT_FALSE(reserved());
  EXPECT_FALSE(next.admit().ok());
}

TEST_F(DiskSpaceTest, AReserveThatCannotBeWrittenIsNoReserve) {
  leave_free(2 * kReserve);
  files_.fail_at(1, FaultKind::kEio, true);
  space_.look(0);
  files_.clear_fault();
  EXPECT_TRUE(space_.admit().ok());
  space_.look(0);
  EXPECT_TRUE(reserved());
}

TEST_F(DiskSpaceTest, LeavesRoomForWhatWaitsToBeWritten) {
  space_.look(0);
  leave_free(5 * kReserve);
  space_.look(5 * kReserve);
  EXPECT_TRUE(space_.admit().ok());
  space_.look(5 * kReserve + 1);
  EXPECT_FALSE(space_.admit().ok());
  EXPECT_FALSE(reserved());
  space_.look(3 * kReserve);  // it was written, and took room that the reserve left
  EXPECT_TRUE(space_.admit().ok());
  EXPECT_TRUE(reserved());
}

TEST_F(DiskSpaceTest, RefusesAtOnceWhatWouldNotFit) {
  space_.look(0);
  leave_free(9 * kReserve);
  space_.expect(9 * kReserve);
  EXPECT_TRUE(space_.admit().ok());
  space_.expect(9 * kReserve + 1);
  EXPECT_FALSE(space_.admit().ok());
  space_.look(kReserve);
  EXPECT_TRUE(space_.admit().ok());
}

// The checkpoint that would end it needs what is reserved.
TEST_F(DiskSpaceTest, GivesTheReserveUpForWhatWouldNotFit) {
  space_.look(0);
  leave_free(9 * kReserve);
  space_.expect(9 * kReserve + 1);
  space_.look(9 * kReserve);  // room for it, but none beside
  EXPECT_FALSE(space_.admit().ok());
  EXPECT_FALSE(reserved());
  leave_free(11 * kReserve);
  space_.look(9 * kReserve);
  EXPECT_TRUE(space_.admit().ok());
  EXPECT_TRUE(reserved());
}

TEST_F(DiskSpaceTest, NothingIsRefusedWithoutAReserve) {
  DiskSpace none(files_, "data", 0);
  leave_free(0);
  none.look(0);
  EXPECT_TRUE(none.admit().ok());
}

}  // namespace
}  // namespace ferres
