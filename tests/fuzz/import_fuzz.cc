// The first byte says in what pieces the lines of an import arrive; they are the rest.
#include "fuzz/server.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferres;
  static FuzzServer server;
  if (size == 0) return 0;
  Call call{.collection = "docs", .body = {reinterpret_cast<const char*>(data) + 1, size - 1}};
  server.run(FuzzServer::operation("import_points"), call, size_t{data[0]} + 1);
  return 0;
}
