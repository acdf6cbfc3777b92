// See catalog.h. A drop names the uuid, so that it can never hit a later collection of the same
// name.
#include "db/catalog.h"

namespace ferres {

Result<std::unique_ptr<Catalog>> Catalog::open(FileSystem& files, std::string dir,
                                               CommitClock& clock) {
  TRY(files.make_dirs(dir));
  std::unique_ptr<Catalog> catalog(new Catalog(clock));
  TRY_ASSIGN(catalog->log_,
             Log::open(files, std::move(dir), LogOptions{}, 0,
                       [&](const LogRecord& record) { return catalog->apply(record); }));
  clock.advance_past(catalog->log_->last_unix_micros());
  return catalog;
}

Status CatalogState::apply(const LogRecord& record) {
  switch (static_cast<Op>(record.op)) {
    case Op::kCreate: {
      TRY_ASSIGN(CollectionConfig config, decode_config(as_text(record.payload)));
      std::string name = config.name;
      dropped_.erase(config.uuid);
      lives_[config.uuid].push_back({.from_micros = record.unix_micros});
      collections_.insert_or_assign(std::move(name), std::move(config));
      return {};
    }
    case Op::kChange: {
      TRY_ASSIGN(CollectionConfig config, decode_config(as_text(record.payload)));
      const auto known = collections_.find(config.name);
      if (known == collections_.end() || known->second.uuid != config.uuid) {
        return Status(Code::kCorruption,
                      "the catalog changes collection '" + config.name + "', which it lacks");
      }
      known->second = std::move(config);
      return {};
    }
    case Op::kDrop: {
      const std::string_view uuid = as_text(record.payload);
      std::erase_if(collections_, [&](const auto& entry) {
        const CollectionConfig& config = entry.second;
        if (config.uuid != uuid) return false;
        lives_[config.uuid].back().to_micros = record.unix_micros;
        dropped_[config.uuid] = {config, record.unix_micros};
        return true;
      });
      return {};
    }
    case Op::kPurge: {
      std::string uuid(as_text(record.payload));
      if (lives_.contains(uuid) && !dropped_.contains(uuid)) {
        return Status(Code::kCorruption, "the catalog purges a collection that was not dropped");
      }
      dropped_.erase(uuid);
      lives_.erase(uuid);
      purged_.insert(std::move(uuid));
      return {};
    }
  }
  return Status(Code::kUnimplemented, "the catalog holds operation " + std::to_string(record.op) +
                                          ", which this server does not know");
}

Status Catalog::commit(Op op, const std::string& payload) {
  if (log_->poisoned()) TRY(reopen());
  const LogRecord record{log_->last_lsn() + 1, clock_.next_micros(), static_cast<uint8_t>(op),
                         as_bytes(payload)};
  if (Status status = log_->commit({&record, 1}); !status.ok()) {
    // At once: until the record is cut off, nobody knows which collections exist.
    if (log_->poisoned()) reopen().ignore();
    return status;
  }
  return apply(record);
}

Status Catalog::reopen() {
  return log_->reopen(log_->last_lsn(), [this](const LogRecord& late) { return apply(late); });
}

Status Catalog::create(const CollectionConfig& config) {
  return commit(Op::kCreate, encode_config(config));
}

Status Catalog::change(const CollectionConfig& config) {
  return commit(Op::kChange, encode_config(config));
}

Status Catalog::drop(const CollectionConfig& config) {
  return commit(Op::kDrop, config.uuid);
}

Status Catalog::purge(const std::string& uuid) {
  return commit(Op::kPurge, uuid);
}

}  // namespace ferres
