// Wiring: settings -> database -> operations -> HTTP, and the way back down.
#include "server/serve.h"

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "api/context.h"
#include "auth/api_keys.h"
#include "base/executor.h"
#include "base/logging.h"
#include "db/database.h"
#include "server/http.h"
#include "server/service.h"

namespace ferres {
namespace {

constexpr uint64_t kMicrosPerSecond = 1000000;
// Served at once; more of them wait.
constexpr size_t kLongRequests = 2;
constexpr size_t kStoreRequests = 4;

struct Listening {
  std::string host;
  std::vector<std::string> keys;
};

bool is_loopback(std::string_view host) {
  return host.starts_with("127.") || host == "::1";
}

// The rule of listening: without a key only this machine is served, and whoever opens the server
// to the network without one gets a key made, printed once.
Listening decide_listening(const Settings& settings) {
  Listening listening{.host = settings.host, .keys = settings.api_keys};
  if (listening.host == "localhost") listening.host = "127.0.0.1";
  if (!listening.keys.empty()) {
    if (listening.host.empty()) listening.host = "0.0.0.0";
    return listening;
  }
  if (listening.host.empty() || is_loopback(listening.host)) {
    if (listening.host.empty()) listening.host = "127.0.0.1";
    log_warning("no_api_key", {{"listening_on", listening.host},
                               {"why", "no API key is set, so only this machine is served"},
                               {"to_change", "set FERRESDB_API_KEYS"}});
    return listening;
  }
  listening.keys.push_back(generate_api_key());
  std::printf("No API key was set, so one was made for this run. It is shown only here:\n  %s\n",
              listening.keys.front().c_str());
  std::fflush(stdout);
  return listening;
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

Status serve(const Settings& settings) {
  const Listening listening = decide_listening(settings);
  const ApiKeys keys(listening.keys);
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
  TRY_ASSIGN(const std::shared_ptr<Database> db, open_database(environment, settings, true));
  Context context{.db = *db,
                  .clock = system_clock(),
                  .files = posix_files(),
                  .long_requests = *long_requests,
                  .store_requests = *store_requests,
                  .version = std::string(kVersion),
                  .data_dir = settings.storage_path,
                  .address = listening.host + ":" + std::to_string(settings.port),
                  .started_nanos = started,
                  .query_stats = {},
                  .s3 = s3_settings(settings)};
  Service service(context, keys, Cors(settings.cors_origins));
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::start(http_options(settings, listening.host), service);
  if (!server.ok()) {
    db->close().ignore();  // nothing was written; the reason to tell is the listening's
    return std::move(server).error();
  }
  const uint64_t opened = system_clock().monotonic_nanos() - started;
  log_info("listening",
           {{"address", "http://" + listening.host + ":" + std::to_string((*server)->port())},
            {"version", kVersion},
            {"storage_path", settings.storage_path},
            {"opened_ms", static_cast<double>(opened) / 1e6}});
  wait_for_signal();
  context.stopping = true;
  const bool drained = (*server)->stop(settings.drain_seconds_max);
  if (!drained) log_warning("requests_cut", {{"after_seconds", settings.drain_seconds_max}});
  const Status closed = db->close();  // before the server: late replies still have their threads
  long_requests.reset();              // waits for those that run, which the close cut short
  store_requests.reset();
  log_info("stopped", {{"clean", closed.ok()}});
  return closed.clone();
}

}  // namespace ferres
