// Backups over the API in a store in memory, and the settings of the cloud.
#include "api/test_api.h"
#include "backup/test_object_store.h"

namespace ferres {
namespace {

/// Lets many requests share one store.
class SharedStore : public MemoryStore {
 public:
  explicit SharedStore(MemoryStore& shared) : shared_(shared) {
    std::swap(objects, shared_.objects);
    std::swap(fail_at, shared_.fail_at);
  }
  SharedStore(const SharedStore&) = delete;
  SharedStore& operator=(const SharedStore&) = delete;
  ~SharedStore() override { std::swap(objects, shared_.objects); }

 private:
  MemoryStore& shared_;
};

class BackupApiTest : public ApiTest {
 protected:
  BackupApiTest() {
    context_->open_store = [this](const S3Target& target,
                                  const S3Options&) -> Result<std::unique_ptr<ObjectStore>> {
      TRY(check_target(target));
      return std::unique_ptr<ObjectStore>(std::make_unique<SharedStore>(store_));
    };
  }
  void configure() {
    context_->s3.target = {.endpoint = "",
                           .region = "eu-west-1",
                           .bucket = "bucket",
                           .access_key_id = "id",
                           .secret_access_key = "very-secret",
                           .session_token = ""};
  }

  MemoryStore store_;
};

TEST_F(BackupApiTest, AnswersAreTheContracts) {
  configure();
  create();
  ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})").status, 200);
  const Answer full = call("backup");
  ASSERT_EQ(full.status, 200) << full.body;
  const std::string size =
      std::to_string(store_.objects.at("backups/ferresdb-2023-11-14T22-13-20Z.tar.gz").size());
  EXPECT_EQ(full.body, R"({"ok":true,"key":"backups/ferresdb-2023-11-14T22-13-20Z.tar.gz",)"
                       R"("bucket":"bucket","size_bytes":)" +
                           size + R"(,"region":"eu-west-1"})");
  // In the same second: a name of its own.
  const Answer again = call("backup", R"({"incremental":false})");
  EXPECT_EQ(at(again, "/key"), R"("backups/ferresdb-2023-11-14T22-13-21Z.tar.gz")");
  const Answer part = call("backup", R"({"incremental":true})");
  EXPECT_EQ(at(part, "/new_files"), at(part, "/files"));
  const Answer listed = call("list_backups");
  EXPECT_EQ(at(listed, "/backups/0/key"), at(again, "/key"));
  EXPECT_EQ(at(listed, "/backups/2/created_at"), "1700000000");
  EXPECT_EQ(at(listed, "/backups/2/incremental"), "true");
  const Answer restored = call("restore_backup", R"({"key":)" + at(part, "/key") +
                                                     R"(,"collection":"docs",)"
                                                     R"("target_collection":"old"})");
  ASSERT_EQ(restored.status, 200) << restored.body;
  EXPECT_EQ(at(restored, "/restored"), R"(["old"])");
  EXPECT_EQ(at(restored, "/details/0/points"), "1");
  EXPECT_EQ(at(call("tasks"), "/tasks/0/kind"), R"("restore_backup")");
}

TEST_F(BackupApiTest, RefusalsSayWhatIsWrong) {
  expect_refused("backup", {{"", 503, "s3_not_configured", "s3_region"}});
  expect_refused("list_backups", {{"", 503, "s3_not_configured", "s3_region"}});
  EXPECT_EQ(call("test_s3").status, 400);
  configure();
  create();
  ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})").status, 200);
  ASSERT_EQ(call("backup").status, 200);
  const std::string key = "backups/ferresdb-2023-11-14T22-13-20Z.tar.gz";
  expect_refused("backup", {{R"({"incremental":1})", 422, "invalid_payload", "incremental"},
                            {R"({)", 400, "invalid_payload", ""}});
  const std::string taken = R"({"key":")" + key + R"("})";
  const std::string unnamed = R"({"key":")" + key + R"(","target_collection":"x"})";
  const std::string unknown = R"({"key":")" + key + R"(","collection":"x"})";
  expect_refused("restore_backup",
                 {{R"({})", 422, "invalid_payload", "key"},
                  {R"({"key":"backups/other"})", 404, "backup_not_found", "backups/other"},
                  {taken.c_str(), 409, "collection_already_exists", "target_collection"},
                  {unnamed.c_str(), 400, "invalid_payload", "collection"},
                  {unknown.c_str(), 404, "backup_not_found", "'x'"}});
  std::string& bytes = store_.objects.at(key);
  bytes.resize(bytes.size() / 2);
  const std::string damaged = R"({"key":")" + key +
                              R"(","collection":"docs",)"
                              R"("target_collection":"x"})";
  expect_refused("restore_backup", {{damaged.c_str(), 422, "backup_damaged", ""}});
  store_.fail_at = 1;
  expect_refused("backup", {{"", 502, "s3_upload_failed", "told to"}});
  store_.fail_at = 1;
  expect_refused("restore_backup", {{damaged.c_str(), 502, "s3_failed", "told to"}});
  store_.fail_at = 1;
  EXPECT_EQ(call("test_s3").status, 502);
}

TEST_F(BackupApiTest, OneAtATime) {
  configure();
  context_->backing_up = true;
  expect_refused("backup", {{"", 409, "conflict", "tasks"}});
  context_->backing_up = false;
  EXPECT_EQ(call("backup").status, 200);
  context_->stopping = true;
  create();
  ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})").status, 200);
  expect_refused("backup", {{"", 503, "unavailable", "stopping"}});
  EXPECT_FALSE(context_->backing_up);
}

TEST_F(BackupApiTest, TheCloudsSettingsAreKeptWithoutTellingTheSecret) {
  EXPECT_EQ(call("get_cloud_settings").body,
            R"({"region":"","bucket":"","endpoint":"","access_key_id":""})");
  expect_refused("put_cloud_settings",
                 {{R"({"region":"r","bucket":"abc"})", 400, "invalid_payload", "access_key_id"},
                  {R"({"region":"r","bucket":"a/b","access_key_id":"i","secret_access_key":"s"})",
                   400, "invalid_payload", "s3_bucket"},
                  {R"({"region":1})", 422, "invalid_payload", "region"}});
  configure();
  // Keys of the settings are used and not copied.
  ASSERT_EQ(call("put_cloud_settings", R"({"bucket":"other","access_key_id":"id"})").status, 200);
  const auto file = read_file(files_, "data/system/cloud.json", 1 << 20);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->find("very-secret"), std::string::npos);
  EXPECT_EQ(call("get_cloud_settings").body,
            R"({"region":"eu-west-1","bucket":"other","endpoint":"","access_key_id":"id"})");
  EXPECT_EQ(context_->cloud.target()->secret_access_key, "very-secret");
  expect_refused("put_cloud_settings",
                 {{R"({"access_key_id":"new"})", 400, "invalid_payload", "secret_access_key"}});
  ASSERT_EQ(
      call("put_cloud_settings", R"({"access_key_id":"new","secret_access_key":"hidden"})").status,
      200);
  EXPECT_EQ(call("get_cloud_settings").body.find("hidden"), std::string::npos);
  EXPECT_EQ(context_->cloud.target()->secret_access_key, "hidden");
  ASSERT_EQ(call("put_cloud_settings", R"({"region":"r2"})").status, 200);
  EXPECT_EQ(context_->cloud.target()->secret_access_key, "hidden");
}

TEST_F(BackupApiTest, KeysComeFromTheSharedFileWhenThereAreNoOthers) {
  configure();
  context_->s3.credentials_file = "credentials";
  context_->s3.profile = "p";
  const std::string text = "[p]\naws_access_key_id=shared\naws_secret_access_key=word\n";
  ASSERT_TRUE(write_file_atomic(files_, "credentials", as_bytes(text)).ok());
  EXPECT_EQ(context_->cloud.target()->access_key_id, "id");
  context_->s3.target.access_key_id = "";
  EXPECT_EQ(context_->cloud.target()->access_key_id, "shared");
  EXPECT_EQ(context_->cloud.target()->secret_access_key, "word");
}

TEST_F(BackupApiTest, ADamagedFileOfSettingsIsTold) {
  ASSERT_TRUE(write_file_atomic(files_, "data/system/cloud.json", as_bytes("{")).ok());
  const Answer answer = call("get_cloud_settings");
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find("cloud.json"), std::string::npos);
}

}  // namespace
}  // namespace ferres
