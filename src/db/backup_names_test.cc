// Names of backups.
#include "db/backup_names.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(BackupNames, AKeyTellsItsTimeAndKind) {
  const std::string full = backup_key({.unix_seconds = 1'700'000'000, .incremental = false});
  EXPECT_EQ(full, "backups/ferresdb-2023-11-14T22-13-20Z.tar.gz");
  const std::string part = backup_key({.unix_seconds = 0, .incremental = true});
  EXPECT_EQ(part, "backups/ferresdb-1970-01-01T00-00-00Z.json");
  ASSERT_TRUE(parse_backup_key(full));
  EXPECT_EQ(parse_backup_key(full)->unix_seconds, 1'700'000'000u);
  EXPECT_FALSE(parse_backup_key(full)->incremental);
  EXPECT_TRUE(parse_backup_key(part)->incremental);
}

TEST(BackupNames, NothingElseIsAKey) {
  for (const char* text :
       {"", "backups/", "backups/ferresdb-", "backups/ferresdb-2023-11-14T22-13-20Z",
        "backups/ferresdb-2023-13-14T22-13-20Z.json", "backups/ferresdb-2023-11-14T25-13-20Z.json",
        "backups/ferresdb-2023-11-14T22-13-20Z.json/../x",
        "backups/ferresdb-2023-11-14T22-13-20Z.zip", "../ferresdb-2023-11-14T22-13-20Z.json",
        "backups/ferresdb-xxxx-11-14T22-13-20Z.json",
        "backups/ferresdb-2023-11-14T22-13-20Z?a=b.json"}) {
    EXPECT_FALSE(parse_backup_key(text)) << text;
  }
}

}  // namespace
}  // namespace ferres
