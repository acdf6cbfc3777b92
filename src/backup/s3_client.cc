// See s3_client.h. The only home of libcurl.
#include "backup/s3_client.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <curl/curl.h>

#include "backup/sha256.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "base/random.h"

namespace ferres {
namespace {

constexpr size_t kAnswerBytesMax = 16 << 20;  // where no other number is known
constexpr size_t kMessageBytesMax = 300;
constexpr uint64_t kPauseSliceMicros = 100'000;
constexpr long kConnectSecondsMax = 10;
constexpr long kSilentSecondsMax = 30;

struct Range {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct Request {
  const char* method = "GET";
  std::string key;    // empty: the bucket
  std::string query;  // in order of name, encoded
  Bytes body = {};
  std::optional<Range> range = {};
  bool even_when_stopping = false;  // for cleaning up
};

struct Response {
  long status = 0;
  std::string body;
  std::string etag;
  curl_off_t length = -1;  // Content-Length
};

/// Of one transfer, for libcurl's callbacks.
struct Transfer {
  Response response;
  size_t body_bytes_max = kAnswerBytesMax;
  const std::function<bool()>* stopping = nullptr;

  static size_t take_body(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const size_t bytes = size * count;
    if (bytes > transfer.body_bytes_max - transfer.response.body.size()) return 0;
    transfer.response.body.append(data, bytes);
    return bytes;
  }
  static size_t take_header(char* data, size_t size, size_t count, void* self) {
    constexpr std::string_view kName = "etag:";
    const std::string_view line(data, size * count);
    const bool etag = line.size() > kName.size() &&
                      std::equal(kName.begin(), kName.end(), line.begin(), [](char a, char b) {
                        return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
                      });
    const size_t first = line.find('"');
    if (etag && first != std::string_view::npos) {
      static_cast<Transfer*>(self)->response.etag = line.substr(first, line.rfind('"') + 1 - first);
    }
    return line.size();
  }
  static int look_up(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& transfer = *static_cast<Transfer*>(self);
    return transfer.stopping != nullptr && (*transfer.stopping)() ? 1 : 0;
  }
};

struct FreeCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};

/// Headers of a request.
class Headers {
 public:
  Headers() = default;
  Headers(const Headers&) = delete;
  Headers& operator=(const Headers&) = delete;
  ~Headers() { curl_slist_free_all(list_); }
  void add(const std::string& line) {
    list_ = curl_slist_append(list_, line.c_str());
    CHECK(list_ != nullptr);
  }
  curl_slist* list() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

class S3Client : public ObjectStore {
 public:
  S3Client(S3Target target, S3Options options)
      : target_(std::move(target)),
        options_(std::move(options)),
        url_(bucket_url(target_)),
        scope_("aws:amz:" + target_.region + ":s3"),
        curl_(curl_easy_init()),
        random_(random_seed()) {
    CHECK(curl_ != nullptr);
  }

  Status put(const std::string& key, Bytes content) override {
    TRY_ASSIGN([[maybe_unused]] const Response response,
               request({.method = "PUT", .key = key, .query = "", .body = content}));
    return {};
  }

  Result<std::string> get(const std::string& key, uint64_t offset, uint64_t bytes) override {
    if (bytes == 0) return std::string();
    TRY_ASSIGN(Response response,
               request({.key = key, .query = "", .range = Range{offset, bytes}}));
    if (response.body.size() != bytes) {
      return Status(Code::kUpstream, where(key) + "answered " +
                                         std::to_string(response.body.size()) + " bytes of " +
                                         std::to_string(bytes));
    }
    return std::move(response.body);
  }

  Result<uint64_t> size(const std::string& key) override {
    TRY_ASSIGN(const Response response, request({.method = "HEAD", .key = key, .query = ""}));
    if (response.length < 0) return Status(Code::kUpstream, where(key) + "answered no length");
    return static_cast<uint64_t>(response.length);
  }

  Result<std::vector<StoredObject>> list(const std::string& prefix) override {
    std::vector<StoredObject> objects;
    std::string after;
    for (;;) {
      std::string query = "list-type=2&prefix=" + url_encode(prefix, false);
      if (!after.empty()) query += "&start-after=" + url_encode(after, false);
      TRY_ASSIGN(const Response response, request({.key = "", .query = query}));
      std::vector<StoredObject> page = listed_objects(response.body);
      const bool more = list_is_truncated(response.body) && !page.empty();
      objects.insert(objects.end(), page.begin(), page.end());
      if (!more) return objects;
      after = objects.back().key;
    }
  }

  Status remove(const std::string& key) override {
    TRY_ASSIGN([[maybe_unused]] const Response response,
               request({.method = "DELETE", .key = key, .query = ""}));
    return {};
  }

  Result<Upload> begin_upload(const std::string& key) override {
    TRY_ASSIGN(const Response response,
               request({.method = "POST", .key = key, .query = "uploads="}));
    Upload upload;
    upload.key = key;
    upload.id = xml_text(response.body, "UploadId");
    if (upload.id.empty()) return Status(Code::kUpstream, where(key) + "answered no upload id");
    return upload;
  }

  Status upload_part(Upload& upload, Bytes part) override {
    const std::string number = std::to_string(upload.parts.size() + 1);
    TRY_ASSIGN(Response response,
               request({.method = "PUT",
                        .key = upload.key,
                        .query = "partNumber=" + number + "&uploadId=" + encoded_id(upload),
                        .body = part}));
    if (response.etag.empty()) return {Code::kUpstream, where(upload.key) + "answered no etag"};
    upload.parts.push_back(std::move(response.etag));
    upload.bytes += part.size();
    return {};
  }

  Status complete_upload(const Upload& upload) override {
    const std::string xml = completion_xml(upload.parts);
    const Result<Response> response = request({.method = "POST",
                                               .key = upload.key,
                                               .query = "uploadId=" + encoded_id(upload),
                                               .body = as_bytes(xml)});
    if (response.ok() && xml_text(response->body, "ETag").empty()) {
      return failure(upload.key, *response);  // with status 200, but an error all the same
    }
    if (response.ok() || response.error().code() != Code::kNotFound) {
      return response.ok() ? Status() : response.error().clone();
    }
    // The upload is not there any more: an answer that got lost may have said that it is complete.
    const Result<uint64_t> there = size(upload.key);
    return there.ok() && *there == upload.bytes ? Status() : response.error().clone();
  }

  void abort_upload(const Upload& upload) override {
    Request last{.method = "DELETE", .key = upload.key, .query = "uploadId=" + encoded_id(upload)};
    last.even_when_stopping = true;
    const Result<Response> response = send(last);
    if (response.ok() && response->status < 300) return;
    log_warning("s3.upload_left",
                {{"key", upload.key},
                 {"why", response.ok() ? "status " + std::to_string(response->status)
                                       : std::string(response.error().message())},
                 {"to_do", "a rule of the bucket that aborts incomplete uploads removes it"}});
  }

 private:
  static std::string encoded_id(const Upload& upload) { return url_encode(upload.id, false); }

  std::string where(const std::string& key) const {
    return "S3 at " + url_ + (key.empty() ? "" : "/" + key) + " ";
  }

  Status failure(const std::string& key, const Response& response) const {
    const std::string_view code = xml_text(response.body, "Code");
    const std::string_view message = xml_text(response.body, "Message");
    const bool missing = response.status == 404 && code != "NoSuchBucket";
    std::string text = where(key) + "answered " + std::to_string(response.status);
    if (!code.empty()) text += " " + std::string(code.substr(0, kMessageBytesMax));
    if (!message.empty()) text += ": " + std::string(message.substr(0, kMessageBytesMax));
    return {missing ? Code::kNotFound : Code::kUpstream, std::move(text)};
  }

  /// False: the server is stopping.
  bool pause(uint64_t micros) const {
    Mutex mutex;
    CondVar never;
    const MutexLock lock(mutex);
    for (uint64_t waited = 0; waited < micros; waited += kPauseSliceMicros) {
      if (options_.stopping()) return false;
      never.wait_for(mutex, kPauseSliceMicros);
    }
    return !options_.stopping();
  }

  /// Until it is answered with success, or with what will not change.
  Result<Response> request(const Request& request) {
    for (uint32_t attempt = 1;; ++attempt) {
      Result<Response> response = send(request);
      if (response.ok() && response->status < 300) return response;
      const bool again = response.ok() ? worth_retrying(response->status)
                                       : response.error().code() == Code::kUpstream;
      Status why = response.ok() ? failure(request.key, *response) : response.error().clone();
      if (!again || attempt >= options_.attempts_max) return why;
      const uint64_t micros = retry_delay_micros(attempt, random_.unit());
      log_info("s3.again", {{"why", why}, {"attempt", attempt}, {"pause_ms", micros / 1000}});
      if (!pause(micros)) return Status(Code::kUnavailable, "the server is stopping");
    }
  }

  /// Once. Not ok when there was no answer.
  Result<Response> send(const Request& request) {
    Transfer transfer;
    if (request.range) {
      transfer.body_bytes_max = std::max<size_t>(request.range->bytes, 64 << 10);
      transfer.response.body.reserve(request.range->bytes);
    }
    if (!request.even_when_stopping) transfer.stopping = &options_.stopping;
    const std::string url = url_ +
                            (request.key.empty() ? "" : "/" + url_encode(request.key, true)) +
                            (request.query.empty() ? "" : "?" + request.query);
    Headers headers;
    headers.add("x-amz-content-sha256: " + Sha256::hex_of(request.body));
    if (!target_.session_token.empty())
      headers.add("x-amz-security-token: " + target_.session_token);
    if (!request.body.empty()) headers.add("Content-Type: application/octet-stream");
    CURL* const curl = curl_.get();
    curl_easy_reset(curl);  // keeps the connection
    std::array<char, CURL_ERROR_SIZE> error{};
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error.data());
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, scope_.c_str());
    curl_easy_setopt(curl, CURLOPT_USERNAME, target_.access_key_id.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, target_.secret_access_key.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSecondsMax);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilentSecondsMax);
    set_method(request);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Transfer::take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::look_up);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
    const CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
    if (code == CURLE_ABORTED_BY_CALLBACK)
      return Status(Code::kUnavailable, "the server is stopping");
    if (code != CURLE_OK) {
      return Status(Code::kUpstream, where(request.key) + "cannot be reached: " +
                                         (error[0] == '\0' ? curl_easy_strerror(code) : &error[0]));
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.response.status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &transfer.response.length);
    return std::move(transfer.response);
  }

  void set_method(const Request& request) {
    CURL* const curl = curl_.get();
    const std::string_view method = request.method;
    if (method == "HEAD") {
      curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
      return;
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method);
    if (method == "PUT" || method == "POST") {
      curl_easy_setopt(
          curl, CURLOPT_POSTFIELDS,
          request.body.empty() ? "" : reinterpret_cast<const char*>(request.body.data()));
      curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
    }
    if (request.range) {
      // Not as a header of ours: those are signed, and proxies may change this one.
      const uint64_t last = request.range->offset + request.range->bytes - 1;
      curl_easy_setopt(
          curl, CURLOPT_RANGE,
          (std::to_string(request.range->offset) + "-" + std::to_string(last)).c_str());
    }
  }

  const S3Target target_;
  const S3Options options_;
  const std::string url_;
  const std::string scope_;
  const std::unique_ptr<CURL, FreeCurl> curl_;
  Random random_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_s3(const S3Target& target, const S3Options& options) {
  TRY(check_target(target));
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialized != CURLE_OK) return Status(Code::kInternal, "libcurl cannot be initialized");
  return std::unique_ptr<ObjectStore>(std::make_unique<S3Client>(target, options));
}

}  // namespace ferres
