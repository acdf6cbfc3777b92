// Stands in for db/ until it is built: every collection is missing. Thread-safe.
#pragma once
#include "db/database.h"

namespace ferres {

class NoDatabase final : public Database {
 public:
  Result<std::shared_ptr<Collection>> create(CollectionConfig) override { return missing(); }
  Result<std::shared_ptr<Collection>> find(const std::string&) override { return missing(); }
  std::vector<std::shared_ptr<Collection>> list() override { return {}; }
  Status drop(const std::string&) override { return missing(); }
  Status checkpoint_all() override { return {}; }
  size_t dirty_count() override { return 0; }
  Status close() override { return {}; }

 private:
  static Status missing() { return Status(Code::kUnimplemented, "the database is not built yet"); }
};

inline Result<std::unique_ptr<Database>> open_no_database(const Environment&,
                                                          const DatabaseOptions&) {
  return std::unique_ptr<Database>(std::make_unique<NoDatabase>());
}

}  // namespace ferres
