// CORS header lines.
#include "server/cors.h"

#include <algorithm>

namespace ferres {
namespace {

// http://localhost, http://localhost:PORT and the same for 127.0.0.1.
bool is_local(std::string_view origin) {
  for (const std::string_view base : {"http://localhost", "http://127.0.0.1"}) {
    if (!origin.starts_with(base)) continue;
    const std::string_view rest = origin.substr(base.size());
    if (rest.empty()) return true;
    if (rest.front() == ':' && rest.size() > 1 &&
        rest.find_first_not_of("0123456789", 1) == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool Cors::allows(std::string_view origin) const {
  if (origins_.empty()) return is_local(origin);
  return std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

std::string Cors::headers(std::string_view origin) const {
  if (!allows(origin)) return "Vary: Origin\r\n";
  return "Access-Control-Allow-Origin: " + std::string(origin) +
         "\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n";
}

std::string Cors::preflight_headers(std::string_view origin) const {
  std::string lines = headers(origin);
  if (!allows(origin)) return lines;
  lines += "Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS, PATCH\r\n";
  lines +=
      "Access-Control-Allow-Headers: content-type, authorization, accept, x-requested-with, "
      "x-namespace\r\nAccess-Control-Max-Age: 600\r\n";
  return lines;
}

}  // namespace ferres
