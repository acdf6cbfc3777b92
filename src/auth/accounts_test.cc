// Keys, users and tokens: who may come in, until when, and what is left after a restart.
#include "auth/accounts.h"

#include <gtest/gtest.h>

#include "auth/token.h"
#include "base/sim_files.h"

namespace ferres {
namespace {

constexpr uint64_t kSecond = 1'000'000;
constexpr char kPath[] = "data/system/accounts.json";

class AccountsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(files_.make_dirs("data/system").ok());
    open({"secret"});
  }
  void open(std::vector<std::string> keys, bool open_without_keys = false) {
    accounts_ = Accounts::open(files_, clock_,
                               {.path = kPath,
                                .keys = std::move(keys),
                                .token_secret = {},
                                .open_without_keys = open_without_keys});
  }
  Result<Principal> with(const std::string& secret) const {
    return accounts_->authenticate("Bearer " + secret);
  }
  Code refused(const std::string& secret) const { return with(secret).error().code(); }
  MadeKey make(NewKey key) {
    key.name = "app";
    auto made = accounts_->make_key(std::move(key));
    EXPECT_TRUE(made.ok());
    return *std::move(made);
  }
  uint64_t now() const { return clock_.unix_micros() / kSecond; }

  SimFiles files_{1};
  ManualClock clock_{1'700'000'000 * kSecond};
  std::unique_ptr<Accounts> accounts_;
};

TEST_F(AccountsTest, AKeyOfTheSettingsIsAnAdmin) {
  for (const char* header : {"Bearer secret", "bearer  secret "}) {
    const Result<Principal> who = accounts_->authenticate(header);
    ASSERT_TRUE(who.ok()) << header;
    EXPECT_EQ(who->user, "api_key");
    EXPECT_EQ(who->role, Role::kAdmin);
  }
  const std::vector<KeyInfo> keys = accounts_->keys();
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].name.substr(0, 10), "bootstrap-");
  EXPECT_EQ(keys[0].name.size(), 18u);
  EXPECT_EQ(keys[0].prefix, "se...");
  EXPECT_EQ(accounts_->remove_key(keys[0].id).code(), Code::kConflict);
  open({});
  EXPECT_EQ(refused("secret"), Code::kForbidden);
}

TEST_F(AccountsTest, MissingOrMalformedHeaderIsUnauthenticated) {
  EXPECT_EQ(accounts_->authenticate(std::nullopt).error().code(), Code::kUnauthenticated);
  for (const char* header : {"", "Bearer", "Bearer ", "Bearer    ", "Basic secret", "secret"})
    EXPECT_EQ(accounts_->authenticate(header).error().code(), Code::kUnauthenticated) << header;
}

TEST_F(AccountsTest, AnUnknownKeyIsForbiddenAndNotRepeated) {
  for (const char* key : {"secre", "secretx", "SECRET"}) {
    EXPECT_EQ(refused(key), Code::kForbidden) << key;
    EXPECT_EQ(with(key).error().message(), "invalid API key");
  }
}

TEST_F(AccountsTest, AMadeKeyIsGoodAtOnceAndAfterARestart) {
  NewKey wanted;
  wanted.role = Role::kEditor;
  wanted.limits.namespaces = {"a", "b"};
  const MadeKey made = make(std::move(wanted));
  EXPECT_EQ(made.key.substr(0, 10), "ferres_sk_");
  EXPECT_EQ(made.key.size(), 58u);
  EXPECT_EQ(made.key.substr(0, 18), made.info.prefix);
  for (int life = 0; life < 2; ++life) {
    const Result<Principal> who = with(made.key);
    ASSERT_TRUE(who.ok());
    EXPECT_EQ(who->role, Role::kEditor);
    EXPECT_EQ(who->account, "api_key:" + std::to_string(made.info.id));
    EXPECT_TRUE(who->may_enter("b"));
    EXPECT_FALSE(who->may_enter("c"));
    open({"secret"});
  }
  const auto file = read_file(files_, kPath, 1 << 20);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->find(made.key.substr(20)), std::string::npos) << "the key itself is kept";
}

TEST_F(AccountsTest, ChangesAndRevocationsCountAtOnce) {
  const MadeKey made = make({});
  KeyChange change;
  change.namespaces = {"only"};
  ASSERT_TRUE(accounts_->change_key(made.info.id, change).ok());
  EXPECT_FALSE(with(made.key)->may_enter("other"));
  ASSERT_TRUE(accounts_->remove_key(made.info.id).ok());
  EXPECT_EQ(refused(made.key), Code::kForbidden);
  EXPECT_EQ(accounts_->remove_key(made.info.id).code(), Code::kNotFound);
  open({"secret"});
  EXPECT_EQ(refused(made.key), Code::kForbidden);
}

TEST_F(AccountsTest, WhatIsChangedMeanwhileEndsLongCalls) {
  NewKey wanted;
  wanted.expires_at = now() + 10;
  const MadeKey made = make(std::move(wanted));
  const Principal who = *with(made.key);
  EXPECT_TRUE(accounts_->check_still(who).ok());
  EXPECT_TRUE(accounts_->check_still(*with("secret")).ok());
  clock_.advance_micros(10 * kSecond);
  EXPECT_EQ(accounts_->check_still(who).code(), Code::kForbidden);
  const MadeKey other = make({});
  const Principal second = *with(other.key);
  KeyChange change;
  change.namespaces = {"only"};
  ASSERT_TRUE(accounts_->change_key(other.info.id, change).ok());
  EXPECT_FALSE(accounts_->check_still(second).ok());
  const Principal third = *with(other.key);
  EXPECT_TRUE(accounts_->check_still(third).ok());
  ASSERT_TRUE(accounts_->remove_key(other.info.id).ok());
  EXPECT_FALSE(accounts_->check_still(third).ok());
  const auto ann = accounts_->make_user({"ann", "long enough", Role::kEditor, {}});
  const Principal user = *with(accounts_->login("ann", "long enough")->token);
  EXPECT_TRUE(accounts_->check_still(user).ok());
  ASSERT_TRUE(accounts_->remove_user(ann->id).ok());
  EXPECT_FALSE(accounts_->check_still(user).ok());
}

TEST_F(AccountsTest, AKeyEndsWhenItsTimeIsOver) {
  NewKey wanted;
  wanted.expires_at = now() + 10;
  const MadeKey made = make(std::move(wanted));
  EXPECT_TRUE(with(made.key).ok());
  clock_.advance_micros(10 * kSecond);
  EXPECT_EQ(refused(made.key), Code::kForbidden);
}

TEST_F(AccountsTest, AfterARotationBothKeysAreGoodForAWhile) {
  const MadeKey old_key = make({});
  const auto made = accounts_->rotate_key(old_key.info.id, 60);
  ASSERT_TRUE(made.ok());
  EXPECT_NE(made->key, old_key.key);
  EXPECT_EQ(made->info.id, old_key.info.id);
  for (int life = 0; life < 2; ++life) {
    EXPECT_TRUE(with(old_key.key).ok());
    EXPECT_TRUE(with(made->key).ok());
    open({"secret"});
  }
  clock_.advance_micros(60 * kSecond);
  EXPECT_EQ(refused(old_key.key), Code::kForbidden);
  EXPECT_TRUE(with(made->key).ok());
}

TEST_F(AccountsTest, ADoorWithoutKeysClosesWithTheFirstOneForGood) {
  open({}, true);
  EXPECT_FALSE(accounts_->has_keys());
  EXPECT_EQ(accounts_->authenticate(std::nullopt)->role, Role::kAdmin);
  EXPECT_TRUE(with("anything").ok());
  const MadeKey made = make({});
  EXPECT_EQ(accounts_->authenticate(std::nullopt).error().code(), Code::kUnauthenticated);
  ASSERT_TRUE(accounts_->remove_key(made.info.id).ok());
  open({}, true);
  EXPECT_EQ(accounts_->authenticate(std::nullopt).error().code(), Code::kUnauthenticated);
}

TEST_F(AccountsTest, RootIsMadeOnceAndLogsIn) {
  const auto password = accounts_->make_root();
  ASSERT_TRUE(password.ok());
  ASSERT_TRUE(*password);
  EXPECT_FALSE(*accounts_->make_root());
  open({});
  EXPECT_FALSE(*accounts_->make_root());
  const auto login = accounts_->login("root", **password);
  ASSERT_TRUE(login.ok());
  EXPECT_EQ(login->role, Role::kAdmin);
  const Result<Principal> who = with(login->token);
  ASSERT_TRUE(who.ok());
  EXPECT_EQ(who->user, "root");
  EXPECT_EQ(who->role, Role::kAdmin);
  open({});
  EXPECT_TRUE(with(login->token).ok()) << "the secret of tokens was not kept";
  clock_.advance_micros(24 * 3600 * kSecond);
  EXPECT_EQ(refused(login->token), Code::kUnauthenticated);
}

TEST_F(AccountsTest, AWrongPasswordIsRefusedAndSoonTheUserToo) {
  ASSERT_TRUE(accounts_->make_user({"ann", "long enough", Role::kViewer, {}}).ok());
  EXPECT_EQ(accounts_->login("nobody", "long enough").error().code(), Code::kUnauthenticated);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(accounts_->login("ann", "wrong wrong").error().code(), Code::kUnauthenticated);
  EXPECT_EQ(accounts_->login("ann", "long enough").error().code(), Code::kResourceExhausted);
  clock_.advance_micros(61 * kSecond);
  EXPECT_TRUE(accounts_->login("ann", "long enough").ok());
}

TEST_F(AccountsTest, WhatChangesAUserChangesItsTokens) {
  ASSERT_TRUE(accounts_->make_root().ok());
  const auto ann = accounts_->make_user({"ann", "long enough", Role::kViewer, {}});
  ASSERT_TRUE(ann.ok());
  const std::string token = accounts_->login("ann", "long enough")->token;
  Grant grant{.collection = "sales", .actions = {Permission::kWrite}, .restriction = {}};
  ASSERT_TRUE(accounts_->set_grants("ann", {grant}).ok());
  EXPECT_TRUE(with(token)->may(Permission::kWrite, "sales"));
  EXPECT_FALSE(with(token)->may(Permission::kRead, "other"));
  ASSERT_TRUE(accounts_->set_password("ann", "another one").ok());
  EXPECT_EQ(refused(token), Code::kUnauthenticated);
  const std::string second = accounts_->login("ann", "another one")->token;
  EXPECT_TRUE(with(second).ok());
  ASSERT_TRUE(accounts_->remove_user(ann->id).ok());
  EXPECT_EQ(refused(second), Code::kUnauthenticated);
  ASSERT_TRUE(accounts_->make_user({"ann", "another one", Role::kViewer, {}}).ok());
  EXPECT_EQ(refused(second), Code::kUnauthenticated) << "the token of another ann";
}

TEST_F(AccountsTest, MistakesAreToldAndChangeNothing) {
  ASSERT_TRUE(accounts_->make_root().ok());
  EXPECT_EQ(accounts_->make_user({"root", "long enough", Role::kViewer, {}}).error().code(),
            Code::kAlreadyExists);
  EXPECT_EQ(accounts_->make_user({"bob", "short", Role::kViewer, {}}).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(accounts_->make_user({"b/b", "long enough", Role::kViewer, {}}).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(accounts_->remove_user(accounts_->users()[0].id).code(), Code::kConflict);
  EXPECT_EQ(accounts_->make_key({}).error().code(), Code::kInvalidArgument);
  const Grant grant{.collection = {}, .actions = {Permission::kRead}, .restriction = {}};
  EXPECT_EQ(accounts_->set_grants("root", {grant}).code(), Code::kInvalidArgument);
  EXPECT_EQ(accounts_->users().size(), 1u);
}

TEST_F(AccountsTest, ADamagedFileLeavesTheKeysOfTheSettings) {
  const MadeKey made = make({});
  ASSERT_TRUE(write_file_atomic(files_, kPath, as_bytes(std::string("{\"format\":1"))).ok());
  open({"secret"}, true);
  EXPECT_FALSE(accounts_->failure().ok());
  EXPECT_TRUE(with("secret").ok());
  EXPECT_EQ(refused(made.key), Code::kUnavailable);
  EXPECT_EQ(accounts_->authenticate(std::nullopt).error().code(), Code::kUnauthenticated);
  NewKey another;
  another.name = "x";
  EXPECT_FALSE(accounts_->make_key(std::move(another)).ok());
  EXPECT_EQ(*read_file(files_, kPath, 1 << 20), "{\"format\":1") << "written over";
}

TEST_F(AccountsTest, AChangeThatIsNotDurableIsNotInForce) {
  const MadeKey made = make({});
  files_.fail_at(1, FaultKind::kEnospc, true);
  EXPECT_FALSE(accounts_->remove_key(made.info.id).ok());
  EXPECT_TRUE(with(made.key).ok());
}

TEST(Token, OnlyItsOwnSecretAndAlgorithmAreGood) {
  const TokenClaims claims{"ann", "viewer", 100, 200, 7};
  const std::string token = sign_token(claims, "s");
  const auto read = verify_token(token, "s", 199);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->user, "ann");
  EXPECT_EQ(read->generation, 7u);
  EXPECT_FALSE(verify_token(token, "s", 200).ok());
  EXPECT_FALSE(verify_token(token, "other", 100).ok());
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify_token(changed, "s", 100).ok()) << i;
  }
  // {"alg":"none","typ":"JWT"}
  std::string none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" + token.substr(token.find('.'));
  EXPECT_FALSE(verify_token(none, "s", 100).ok());
  none.resize(none.rfind('.') + 1);
  EXPECT_FALSE(verify_token(none, "s", 100).ok());
  for (const char* text : {"", ".", "..", "eyJ..", "eyJ.a.b", "eyJ.%.x"})
    EXPECT_FALSE(verify_token(text, "s", 100).ok()) << text;
}

TEST(Token, IsTheOneThatOthersMake) {
  // By Python's hmac and base64.
  EXPECT_EQ(sign_token({"ann", "viewer", 100, 200, 7}, "s"),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
            "eyJzdWIiOiJhbm4iLCJyb2xlIjoidmlld2VyIiwiaWF0IjoxMDAsImV4cCI6MjAwLCJnZW4iOjd9."
            "DBe7oNx1W_ENLMNCy1v03A6pMEs4EtpIzXHcaTlz-3Y");
}

}  // namespace
}  // namespace ferres
