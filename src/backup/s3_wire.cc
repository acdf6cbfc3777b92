// See s3_wire.h.
#include "backup/s3_wire.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace ferres {
namespace {

constexpr uint64_t kFirstDelayMicros = 200'000;
constexpr uint64_t kDelayMicrosMax = 8'000'000;

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

bool plain(std::string_view text, std::string_view also) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [also](char c) {
    return unreserved(c) || also.find(c) != std::string_view::npos;
  });
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

Status check_target(const S3Target& target) {
  const auto wrong = [](std::string_view what) {
    return Status(Code::kInvalidArgument, std::string(what));
  };
  if (target.region.empty()) return wrong("s3_region is not set");
  if (target.bucket.empty()) return wrong("s3_bucket is not set");
  if (target.access_key_id.empty() || target.secret_access_key.empty())
    return wrong("s3_access_key_id and s3_secret_access_key are not set");
  if (!plain(target.region, "")) return wrong("s3_region is not the name of a region");
  if (!plain(target.bucket, "") || target.bucket.size() < 3 || target.bucket.size() > 63)
    return wrong("s3_bucket is not the name of a bucket");
  for (const std::string* text :
       {&target.access_key_id, &target.secret_access_key, &target.session_token}) {
    if (!printable(*text) || text->size() > 4096)
      return wrong("the S3 keys hold characters that no key has");
  }
  if (target.endpoint.empty()) return {};
  std::string_view host = target.endpoint;
  if (host.starts_with("https://")) {
    host.remove_prefix(8);
  } else if (host.starts_with("http://")) {
    host.remove_prefix(7);
  } else {
    return wrong("s3_endpoint must begin with https:// or http://");
  }
  if (host.ends_with('/')) host.remove_suffix(1);
  if (!plain(host, ":[]") || host.size() > 300)
    return wrong("s3_endpoint must be http(s)://host or http(s)://host:port, nothing more");
  return {};
}

std::string bucket_url(const S3Target& target) {
  if (!target.endpoint.empty()) {
    const bool slash = target.endpoint.ends_with('/');
    return target.endpoint + (slash ? "" : "/") + target.bucket;
  }
  const std::string host = "s3." + target.region + ".amazonaws.com";
  const bool dotted = target.bucket.find('.') != std::string::npos;
  return dotted ? "https://" + host + "/" + target.bucket : "https://" + target.bucket + "." + host;
}

std::string url_encode(std::string_view text, bool path) {
  std::string encoded;
  for (const char c : text) {
    if (unreserved(c) || (path && c == '/')) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string_view xml_text(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::string close = "</" + std::string(name) + ">";
  const size_t begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const size_t end = xml.find(close, begin);
  if (end == std::string_view::npos) return {};
  return xml.substr(begin + open.size(), end - begin - open.size());
}

std::vector<StoredObject> listed_objects(std::string_view xml) {
  constexpr std::string_view kOpen = "<Contents>";
  std::vector<StoredObject> objects;
  for (size_t at = xml.find(kOpen); at != std::string_view::npos; at = xml.find(kOpen, at + 1)) {
    const std::string_view entry = xml.substr(at, xml.find("</Contents>", at) - at);
    const std::string_view key = xml_text(entry, "Key");
    const std::string_view size = xml_text(entry, "Size");
    uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), bytes);
    const bool number = error == std::errc() && end == size.data() + size.size();
    if (plain(key, "/") && number) objects.push_back({std::string(key), bytes});
  }
  return objects;
}

bool list_is_truncated(std::string_view xml) {
  return xml_text(xml, "IsTruncated") == "true";
}

std::string completion_xml(std::span<const std::string> etags) {
  std::string xml = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < etags.size(); ++i) {
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1, etags[i]);
  }
  return xml + "</CompleteMultipartUpload>";
}

bool worth_retrying(long http_status) {
  return http_status == 408 || http_status == 429 || http_status == 500 || http_status == 502 ||
         http_status == 503 || http_status == 504;
}

uint64_t retry_delay_micros(uint32_t attempt, double random) {
  const uint64_t doubled = kFirstDelayMicros << std::min(attempt - 1, 16u);
  const auto most = static_cast<double>(std::min(doubled, kDelayMicrosMax));
  return static_cast<uint64_t>(most * (0.5 + random / 2));
}

}  // namespace ferres
