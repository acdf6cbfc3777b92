// Wiring: settings -> database -> operations -> HTTP, and the way back down.
#include "server/serve.h"

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "api/context.h"
#include "auth/accounts.h"
#include "base/executor.h"
#include "base/logging.h"
#include "db/database.h"
#include "server/http.h"
#include "server/service.h"

namespace ferres {
namespace {

constexpr uint64_t kMicrosPerSecond = 1000000;
// Served at once; more of them wait.
constexpr size_t kTokenSecretBytesMin = 32;
constexpr size_t kLongRequests = 2;
constexpr size_t kStoreRequests = 4;

bool is_loopback(std::string_view host) {
  return host.starts_with("127.") || host == "::1";
}

/// Where to listen. Without any key, only this machine may be served.
std::string host_of(const Settings& settings, const Accounts& accounts) {
  if (settings.host == "localhost") return "127.0.0.1";
  if (!settings.host.empty()) return settings.host;
  return accounts.has_keys() ? "0.0.0.0" : "127.0.0.1";
}

void print_once(const char* what, const std::string& secret) {
  std::printf("%s It is shown only here:\n  %s\n", what, secret.c_str());
  std::fflush(stdout);
}

/// The first user, and a first key for a server that is opened to the network without one.
Status make_first_accounts(Accounts& accounts, const std::string& host) {
  if (const Status failure = accounts.failure(); !failure.ok()) {
    log_error("accounts_unreadable",
              {{"why", failure.message()},
               {"in_force", "the API keys of the settings alone"},
               {"to_change",
                "restore the file from a copy, or remove it and make keys and users "
                "anew"}});
    return {};
  }
  TRY_ASSIGN(const std::optional<std::string> password, accounts.make_root());
  if (password) print_once("The user root was made, an admin, with this password.", *password);
  if (accounts.has_keys()) return {};
  if (is_loopback(host)) {
    log_warning("no_api_key", {{"listening_on", host},
                               {"why",
                                "there is no API key, so only this machine is served, and "
                                "everybody on it is an admin"},
                               {"to_change", "set FERRESDB_API_KEYS, or make a key"}});
    return {};
  }
  NewKey first;
  first.name = "first";
  TRY_ASSIGN(const MadeKey made, accounts.make_key(std::move(first)));
  print_once("There was no API key, so one was made.", made.key);
  return {};
}

DatabaseOptions database_options(const Settings& settings) {
  DatabaseOptions options;
  options.dir = settings.storage_path;
  options.collections_max = settings.collections_max;
  options.collection.checkpoint_log_bytes = settings.checkpoint_log_bytes;
  options.collection.checkpoint_micros = settings.checkpoint_seconds * kMicrosPerSecond;
  options.collection.flat_points_max = settings.flat_points_max;
  options.collection.payload_bytes_max = settings.payload_bytes_max;
  options.collection.tail_points_max = settings.tail_points_max;
  options.collection.log_segment_bytes = settings.log_segment_bytes;
  options.disk_reserve_bytes = settings.disk_reserve_bytes;
  options.collection.isolate_namespaces = settings.namespace_physical_isolation;
  options.collection.open_partitions_max = settings.open_namespaces_max;
  return options;
}

std::unique_ptr<Accounts> open_accounts(const Settings& settings) {
  return Accounts::open(posix_files(), system_clock(),
                        {.path = settings.storage_path + "/system/accounts.json",
                         .keys = settings.api_keys,
                         .token_secret = settings.jwt_secret,
                         .open_without_keys = settings.host.empty() || is_loopback(settings.host) ||
                                              settings.host == "localhost"});
}

size_t cores() {
  return static_cast<size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

HttpOptions http_options(const Settings& settings, const std::string& host) {
  HttpOptions options;
  options.host = host;
  options.port = static_cast<uint16_t>(settings.port);
  // Two for each core: a long search on one thread must not keep its neighbours waiting.
  options.threads = settings.http_threads > 0 ? settings.http_threads : 2 * cores();
  options.connections_max = settings.connections_max;
  options.body_bytes_max = settings.body_bytes_max;
  options.header_bytes_max = settings.header_bytes_max;
  options.inflight_bytes_max = settings.inflight_bytes_max;
  options.request_seconds_max = settings.request_seconds_max;
  options.idle_seconds_max = settings.idle_seconds_max;
  return options;
}

// The signals stay blocked until the first one came; a second one then ends the process at once,
// which the log makes safe.
void wait_for_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  int signal = 0;
  sigwait(&signals, &signal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  log_info("stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
}

}  // namespace

Result<std::shared_ptr<Database>> open_database(const Environment& environment,
                                                const Settings& settings, bool convert) {
  DatabaseOptions options = database_options(settings);
  options.collection.convert_namespaces = convert;
  Result<std::shared_ptr<Database>> db = Database::open(environment, options);
  if (db.ok()) return db;
  const std::string folder = "the data folder '" + settings.storage_path + "'";
  if (db.error().code() == Code::kConflict) {
    return Status(Code::kConflict, folder +
                                       " is in use by another server: stop that one, or choose "
                                       "another folder with --storage-path");
  }
  return std::move(db).error().context("cannot open " + folder);
}

S3Settings s3_settings(const Settings& settings) {
  S3Settings s3;
  s3.target = {.endpoint = settings.s3_endpoint,
               .region = settings.s3_region,
               .bucket = settings.s3_bucket,
               .access_key_id = settings.s3_access_key_id,
               .secret_access_key = settings.s3_secret_access_key,
               .session_token = settings.s3_session_token};
  s3.credentials_file = settings.s3_credentials_file;
  s3.profile = settings.s3_profile;
  return s3;
}

namespace {

/// What the data folder holds, and where it is served.
struct Opened {
  std::shared_ptr<Database> db;
  std::unique_ptr<Accounts> accounts;
  std::shared_ptr<AuditLog> audit;
  std::string host;
};

Result<Opened> open_accounts_and_audit(const std::shared_ptr<Database>& db,
                                       const Settings& settings, Executor& executor) {
  Opened opened{.db = db, .accounts = open_accounts(settings), .audit = {}, .host = {}};
  opened.host = host_of(settings, *opened.accounts);
  TRY(make_first_accounts(*opened.accounts, opened.host));
  auto audit = AuditLog::open(posix_files(), executor, settings.storage_path + "/logs",
                              settings.audit_days_max);
  if (!audit.ok()) return std::move(audit).error().context("the audit log");
  opened.audit = *std::move(audit);
  log_info("audit_log", {{"head", opened.audit->head()}});
  return opened;
}

Result<Opened> open_folder(const Environment& environment, const Settings& settings) {
  TRY_ASSIGN(const std::shared_ptr<Database> db, open_database(environment, settings, true));
  Result<Opened> opened = open_accounts_and_audit(db, settings, *environment.executor);
  if (!opened.ok()) db->close().ignore();  // nothing was written; the reason is the accounts'
  return opened;
}

Status check_token_secret(const Settings& settings) {
  const size_t bytes = settings.jwt_secret.size();
  if (bytes == 0 || bytes >= kTokenSecretBytesMin) return {};
  return {Code::kInvalidArgument,
          "FERRESDB_JWT_SECRET is too short, and whoever guesses it is an admin: at least " +
              std::to_string(kTokenSecretBytesMin) + " bytes"};
}

}  // namespace

Status serve(const Settings& settings) {
  TRY(check_token_secret(settings));
  CommitClock commit_clock(system_clock());
  const size_t workers = settings.work_threads > 0 ? settings.work_threads : cores();
  const std::unique_ptr<Executor> executor = make_thread_pool(workers);
  const Environment environment{.files = &posix_files(),
                                .executor = executor.get(),
                                .clock = &system_clock(),
                                .commit_clock = &commit_clock};
  // Long requests wait for tasks of the executor, so none of its own threads may carry them.
  std::unique_ptr<Executor> long_requests = make_thread_pool(kLongRequests);
  std::unique_ptr<Executor> store_requests = make_thread_pool(kStoreRequests);
  const uint64_t started = system_clock().monotonic_nanos();
  TRY_ASSIGN(const Opened opened, open_folder(environment, settings));
  const std::string& host = opened.host;
  Context context{.db = *opened.db,
                  .accounts = *opened.accounts,
                  .clock = system_clock(),
                  .files = posix_files(),
                  .long_requests = *long_requests,
                  .store_requests = *store_requests,
                  .version = std::string(kVersion),
                  .data_dir = settings.storage_path,
                  .address = host + ":" + std::to_string(settings.port),
                  .started_nanos = started,
                  .namespace_physical_isolation = settings.namespace_physical_isolation,
                  .s3 = s3_settings(settings),
                  .audit = opened.audit};
  Service service(context, {.cors = Cors(settings.cors_origins),
                            .audit_searches = settings.audit_searches,
                            .rate_limit = {.per_second = settings.rate_limit_per_second,
                                           .burst = settings.rate_limit_burst}});
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::start(http_options(settings, host), service);
  if (!server.ok()) {
    opened.db->close().ignore();  // nothing was written; the reason to tell is the listening's
    return std::move(server).error();
  }
  const uint64_t opened_nanos = system_clock().monotonic_nanos() - started;
  log_info("listening", {{"address", "http://" + host + ":" + std::to_string((*server)->port())},
                         {"version", kVersion},
                         {"storage_path", settings.storage_path},
                         {"opened_ms", static_cast<double>(opened_nanos) / 1e6}});
  wait_for_signal();
  context.stopping = true;
  const bool drained = (*server)->stop(settings.drain_seconds_max);
  if (!drained) log_warning("requests_cut", {{"after_seconds", settings.drain_seconds_max}});
  const Status closed =
      opened.db->close();  // before the server: late replies still have their threads
  long_requests.reset();   // waits for those that run, which the close cut short
  store_requests.reset();
  const Status audited = context.audit->flush();
  log_info("stopped",
           {{"clean", closed.ok() && audited.ok()}, {"audit_head", context.audit->head()}});
  return closed.clone();
}

}  // namespace ferres
