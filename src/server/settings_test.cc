// Where settings come from, which source wins, and that the documentation agrees with the table.
#include "server/settings.h"

#include <gtest/gtest.h>

#include "base/sim_files.h"

namespace ferres {
namespace {

class SettingsTest : public testing::Test {
 protected:
  Result<Invocation> read(std::vector<std::string> arguments,
                          std::map<std::string, std::string> environment = {}) {
    return read_settings({.arguments = std::move(arguments),
                          .environment = std::move(environment),
                          .files = &files_,
                          .version = "1.2.3"});
  }
  void write(const std::string& path, std::string_view text) {
    ASSERT_TRUE(write_file_atomic(files_, path, as_bytes(text)).ok());
  }
  std::string error_of(std::vector<std::string> arguments,
                       std::map<std::string, std::string> environment = {}) {
    const Result<Invocation> read_back = read(std::move(arguments), std::move(environment));
    return read_back.ok() ? "" : std::string(read_back.error().message());
  }

  SimFiles files_{1};
};

TEST_F(SettingsTest, DefaultsAreTheContracts) {
  const Result<Invocation> invocation = read({});
  ASSERT_TRUE(invocation.ok());
  EXPECT_EQ(invocation->settings.port, 8080u);
  EXPECT_EQ(invocation->settings.storage_path, "./data");
  EXPECT_EQ(invocation->settings.body_bytes_max, 64u << 20);
  EXPECT_TRUE(invocation->settings.api_keys.empty());
  EXPECT_TRUE(invocation->warnings.empty());
}

TEST_F(SettingsTest, EachSourceWinsOverTheOneBefore) {
  std::map<std::string, std::string> environment;
  write("config.toml", "port = 1001\nlog_level = \"debug\"\napi_keys = [\"a\", \"b\"]\n");
  EXPECT_EQ(read({}, environment)->settings.port, 1001u);
  EXPECT_EQ(read({}, environment)->settings.log_level, "debug");
  EXPECT_EQ(read({}, environment)->settings.api_keys, (std::vector<std::string>{"a", "b"}));
  environment["PORT"] = "1002";
  EXPECT_EQ(read({}, environment)->settings.port, 1002u);
  environment["FERRESDB_PORT"] = "1003";
  EXPECT_EQ(read({}, environment)->settings.port, 1003u);
  EXPECT_EQ(read({"--port", "1004"}, environment)->settings.port, 1004u);
  EXPECT_EQ(read({"serve", "--port=1005"}, environment)->settings.port, 1005u);
}

TEST_F(SettingsTest, ListsAreSplitAtCommas) {
  const Result<Invocation> invocation = read({}, {{"FERRESDB_API_KEYS", " one , two,,three"}});
  ASSERT_TRUE(invocation.ok());
  EXPECT_EQ(invocation->settings.api_keys, (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(SettingsTest, TheFileMayBeNamed) {
  write("other.toml", "port = 7");
  EXPECT_EQ(read({"--config", "other.toml"})->settings.port, 7u);
  EXPECT_EQ(read({}, {{"FERRESDB_CONFIG", "other.toml"}})->settings.port, 7u);
  EXPECT_NE(error_of({"--config", "missing.toml"}), "");
}

TEST_F(SettingsTest, DotenvIsBelowTheEnvironment) {
  write(".env", "# keys\nPORT=5\nLOG_LEVEL=\"error\"\r\n");
  EXPECT_EQ(read({})->settings.port, 5u);
  EXPECT_EQ(read({})->settings.log_level, "error");
  EXPECT_EQ(read({}, {{"PORT", "6"}})->settings.port, 6u);
}

TEST_F(SettingsTest, RustLogIsTheWeakestNameOfTheLogLevel) {
  EXPECT_EQ(read({}, {{"RUST_LOG", "debug"}})->settings.log_level, "debug");
  EXPECT_EQ(read({}, {{"RUST_LOG", "ferres=trace,warn,hyper=off"}})->settings.log_level, "warn");
  EXPECT_EQ(read({}, {{"RUST_LOG", "ferres=trace"}})->settings.log_level, "info");
  EXPECT_EQ(read({}, {{"RUST_LOG", "debug"}, {"LOG_LEVEL", "error"}})->settings.log_level, "error");
  const auto wrong = read({}, {{"RUST_LOG", "loud"}});
  EXPECT_EQ(wrong->settings.log_level, "info");
  ASSERT_EQ(wrong->warnings.size(), 1u);
  EXPECT_NE(wrong->warnings[0].find("RUST_LOG: 'loud'"), std::string::npos);
}

TEST_F(SettingsTest, EverySettingIsReadFromEachOfItsNames) {
  for (const Setting& setting : settings_table()) {
    const auto* number = std::get_if<uint64_t Settings::*>(&setting.member);
    if (number == nullptr) continue;
    const std::string low = std::to_string(setting.min);
    const std::string beyond = std::to_string(setting.max + 1);
    EXPECT_EQ(read({setting.flag(), low})->settings.*(*number), setting.min) << setting.key;
    EXPECT_EQ(read({}, {{setting.env(), low}})->settings.*(*number), setting.min) << setting.key;
    write("config.toml", std::string(setting.key) + " = " + low);
    EXPECT_EQ(read({})->settings.*(*number), setting.min) << setting.key;
    ASSERT_TRUE(files_.remove("config.toml").ok());
    EXPECT_NE(error_of({setting.flag(), beyond}).find(setting.flag()), std::string::npos);
    EXPECT_NE(error_of({}, {{setting.env(), beyond}}).find(setting.env()), std::string::npos);
  }
}

TEST_F(SettingsTest, BackupsTakeTheNamesOfOtherTools) {
  const Result<Invocation> invocation = read({}, {{"AWS_REGION", "r"},
                                                  {"AWS_ACCESS_KEY_ID", "id"},
                                                  {"AWS_SECRET_ACCESS_KEY", "secret"},
                                                  {"FERRESDB_S3_BUCKET", "bucket"},
                                                  {"FERRESDB_S3_ACCESS_KEY_ID", "ours"},
                                                  {"HOME", "/home/me"}});
  ASSERT_TRUE(invocation.ok());
  EXPECT_TRUE(invocation->warnings.empty());
  EXPECT_EQ(invocation->settings.s3_region, "r");
  EXPECT_EQ(invocation->settings.s3_bucket, "bucket");
  EXPECT_EQ(invocation->settings.s3_access_key_id, "ours");
  EXPECT_EQ(invocation->settings.s3_secret_access_key, "secret");
  EXPECT_EQ(invocation->settings.s3_credentials_file, "/home/me/.aws/credentials");
  EXPECT_NE(error_of({"--s3-secret-access-key", "x"}), "");
}

TEST_F(SettingsTest, WrongValuesNameTheirSource) {
  EXPECT_EQ(error_of({"--port", "70000"}),
            "--port: '70000' is not a whole number between 0 and 65535");
  EXPECT_NE(error_of({"--port", "x"}), "");
  EXPECT_NE(error_of({"--prot", "1"}), "");
  EXPECT_NE(error_of({"dance"}), "");
  write("config.toml", "port = [1");
  EXPECT_NE(error_of({}).find("config.toml:1"), std::string::npos);
  write("config.toml", "port = 1.5");
  EXPECT_NE(error_of({}).find("config.toml: port"), std::string::npos);
}

TEST_F(SettingsTest, UnknownNamesAreToldNotPassedOver) {
  write("config.toml", "prot = 1\nwal_compression = true\n");
  const Result<Invocation> invocation = read({}, {{"FERRESDB_PROT", "1"}, {"OTHER", "1"}});
  ASSERT_TRUE(invocation.ok());
  EXPECT_EQ(invocation->warnings.size(), 3u);
  EXPECT_NE(error_of({}, {{"FERRESDB_REPLICA_OF", "host:1"}}), "");
}

TEST_F(SettingsTest, HelpNamesEverySetting) {
  const Result<Invocation> invocation = read({"--help"});
  ASSERT_TRUE(invocation.ok());
  EXPECT_EQ(invocation->action, Invocation::Action::kPrintAndExit);
  for (const Setting& setting : settings_table()) {
    EXPECT_NE(invocation->print.find(setting.env()), std::string::npos) << setting.key;
    EXPECT_EQ(invocation->print.find(setting.flag() + " ") == std::string::npos, setting.secret)
        << setting.key;
  }
  EXPECT_EQ(read({"--version"})->print, "ferresdb 1.2.3\n");
}

TEST_F(SettingsTest, DocumentationHoldsTheTable) {
  const std::string here = __FILE__;  // relative to the build folder when paths are rewritten
  const std::string root = here.substr(0, here.rfind("src/server"));
  std::string path = root + "docs/configuration.md";
  if (!posix_files().exists(path)) path = "docs/configuration.md";
  const Result<std::string> text = read_file(posix_files(), path, 1 << 20);
  ASSERT_TRUE(text.ok()) << path;
  EXPECT_NE(text->find(settings_markdown()), std::string::npos)
      << "docs/configuration.md must hold what ferresdb --settings-markdown prints";
}

}  // namespace
}  // namespace ferres
