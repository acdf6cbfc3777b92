// The catalog: which collections exist, and which were dropped and can still be brought back, as a
// log in data/system/wal. Create, change, drop and purge are records; the whole log is read at
// start (a record is a few hundred bytes and collections are few). Not thread-safe: the database
// serializes calls.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/status.h"
#include "collection/config.h"
#include "storage/log.h"

namespace ferres {

/// What the records say.
class CatalogState {
 public:
  /// When a collection was there: from a create to the drop after it.
  struct Life {
    uint64_t from_micros = 0;
    uint64_t to_micros = ~uint64_t{0};  // it is there
  };
  struct Dropped {
    CollectionConfig config;
    uint64_t unix_micros = 0;  // when
  };

  /// Not one record.
  bool empty() const { return lives_.empty() && purged_.empty(); }
  const std::map<std::string, CollectionConfig>& collections() const { return collections_; }
  /// By uuid. One that is created again, with its uuid, is not among them.
  const std::map<std::string, Dropped>& dropped() const { return dropped_; }
  /// Of a collection, by uuid; several when it was dropped and brought back.
  const std::vector<Life>& lives(const std::string& uuid) const { return lives_.at(uuid); }
  /// uuids of which nothing may be left.
  const std::set<std::string>& purged() const { return purged_; }

  /// The next record. kCorruption when it does not fit what came before, kUnimplemented when it is
  /// of a newer server.
  Status apply(const LogRecord& record);

 protected:
  enum class Op : uint8_t { kCreate = 1, kDrop = 2, kChange = 3, kPurge = 4 };

 private:
  std::map<std::string, CollectionConfig> collections_;
  std::map<std::string, Dropped> dropped_;
  std::set<std::string> purged_;
  std::map<std::string, std::vector<Life>> lives_;  // of all that are not purged
};

class Catalog : public CatalogState {
 public:
  static Result<std::unique_ptr<Catalog>> open(FileSystem& files, std::string dir,
                                               CommitClock& clock);

  /// Durable when they return ok. After an error the record is not there, unless certain() says
  /// that this is not known: the log could not be read back.
  Status create(const CollectionConfig& config);
  /// Replaces the configuration of the collection with that uuid.
  Status change(const CollectionConfig& config);
  Status drop(const CollectionConfig& config);
  /// Of a dropped one: it cannot be brought back.
  Status purge(const std::string& uuid);
  bool certain() const { return !log_->poisoned(); }

 private:
  explicit Catalog(CommitClock& clock) : clock_(clock) {}
  Status reopen();
  Status commit(Op op, const std::string& payload);

  CommitClock& clock_;
  std::unique_ptr<Log> log_;
};

}  // namespace ferres
