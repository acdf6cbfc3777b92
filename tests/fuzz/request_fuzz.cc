// "METHOD TARGET", a line break, a body: any request that came through HTTP, with every right.
#include "fuzz/server.h"
#include "server/router.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferres;
  static FuzzServer server;
  static const Router router(api_operations());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view head = text.substr(0, text.find('\n'));
  const std::string_view method = head.substr(0, head.find(' '));
  std::string allowed;
  Result<Route> route =
      router.route(method, head.substr(std::min(head.size(), method.size() + 1)), &allowed);
  if (!route.ok()) return 0;
  Call call{.collection = std::move(route->collection),
            .item = std::move(route->item),
            .query = std::move(route->query),
            .body = std::string(text.substr(std::min(text.size(), head.size() + 1))),
            .principal = {.role = Role::kAdmin}};
  server.run(*route->operation, call, size_t{64} << 10);
  return 0;
}
