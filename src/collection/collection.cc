// Opening, recovering and closing a collection; validation of writes before they enter the lane.
#include "collection/collection.h"

#include <algorithm>
#include <cmath>

#include "base/epoch.h"
#include "base/logging.h"
#include "collection/impl.h"
#include "collection/waiter.h"

namespace ferres {
namespace {

// Beyond it squares come near the end of what codes sum in floats (quant/code_math.h), and all that
// is so long would seem alike.
constexpr double kNormMax = 1e14;

double squared_norm(std::span<const float> vector) {
  double squares = 0;
  for (const float value : vector)
    squares += double{value} * value;
  return squares;
}

}  // namespace

std::string too_long(std::span<const float> vector, Metric metric) {
  if (metric == Metric::kCosine || squared_norm(vector) <= kNormMax * kNormMax) return {};
  return "the norm of the vector is above 1e14: scale it";
}

std::string invalid_namespace(std::string_view ns) {
  if (ns.size() > kNamespaceBytesMax)
    return "namespace too long: max " + std::to_string(kNamespaceBytesMax) + " bytes";
  if (ns.find('\0') != std::string_view::npos) return "namespace must not contain NUL";
  return {};
}

namespace {

/// Why a vector, as the collection keeps it, has no angle to others; empty when it has.
std::string without_direction(const std::vector<float>& sent, const CollectionConfig& config) {
  const RowFormat format = config.vectors.format;
  std::vector<float> decoded;
  if (format != RowFormat::kF32) {
    std::vector<std::byte> row(row_bytes(format, config.dimension));
    encode_row(format, sent, row.data());
    decoded.resize(sent.size());
    decode_row(format, row.data(), decoded);
  }
  const double squares = squared_norm(format == RowFormat::kF32 ? sent : decoded);
  const auto norm = static_cast<float>(std::sqrt(squares));
  if (std::isnormal(norm) && std::isnormal(1 / norm)) return {};
  if (std::all_of(sent.begin(), sent.end(), [](float value) { return value == 0; })) {
    return "zero-norm vector cannot be indexed with cosine distance";
  }
  return "the norm of the vector is too large or too small for cosine distance: scale it";
}

std::string_view text_of(const std::optional<std::string>& ns) {
  return ns ? std::string_view(*ns) : std::string_view();
}

/// Why a point cannot be stored; empty when it can.
std::string invalid_reason(const PointInput& point, const CollectionConfig& config) {
  if (point.id.empty()) return "point id cannot be empty";
  if (point.id.size() > kPointIdBytesMax) {
    return "point id too long: max " + std::to_string(kPointIdBytesMax) + " bytes";
  }
  if (point.id.find('\0') != std::string::npos) return "point id must not contain NUL";
  if (std::string reason = invalid_namespace(text_of(point.ns)); !reason.empty()) return reason;
  if (point.created_at && *point.created_at > kCreatedSecondsMax) {
    return "created_at is more than " + std::to_string(kCreatedSecondsMax);
  }
  if (point.metadata_json.size() > kMetadataBytesMax) {
    return "metadata too large: max " + std::to_string(kMetadataBytesMax) + " bytes";
  }
  if (point.vector.empty()) return {};
  if (point.vector.size() != config.dimension) {
    return "dimension mismatch: expected " + std::to_string(config.dimension) + ", got " +
           std::to_string(point.vector.size());
  }
  for (size_t i = 0; i < point.vector.size(); ++i) {
    if (!std::isfinite(point.vector[i])) return "non-finite value at index " + std::to_string(i);
    if (config.vectors.format == RowFormat::kF16 && std::fabs(point.vector[i]) > kF16Max) {
      return "a component of more than 65504 does not fit storage.precision f16; bf16 has room";
    }
  }
  return config.metric == Metric::kCosine ? without_direction(point.vector, config)
                                          : too_long(point.vector, config.metric);
}

}  // namespace

Result<UpsertResult> Collection::upsert(UpsertRequest request) {
  Waiter<UpsertResult> waiter(executor());
  upsert(std::move(request), waiter.callback());
  return waiter.wait();
}

Result<DeleteResult> Collection::remove(DeleteRequest request) {
  Waiter<DeleteResult> waiter(executor());
  remove(std::move(request), waiter.callback());
  return waiter.wait();
}

Result<DeleteResult> Collection::drop_namespace(const std::string& ns) {
  Waiter<DeleteResult> waiter(executor());
  drop_namespace(ns, waiter.callback());
  return waiter.wait();
}

Result<std::shared_ptr<Collection>> Collection::open(const Environment& env, std::string dir,
                                                     CollectionConfig config,
                                                     const CollectionOptions& options) {
  TRY(validate_config(config));
  auto collection =
      std::make_shared<CollectionImpl>(env, std::move(dir), std::move(config), options);
  TRY(collection->recover());
  return std::shared_ptr<Collection>(std::move(collection));
}

CollectionImpl::CollectionImpl(const Environment& env, std::string dir, CollectionConfig config,
                               const CollectionOptions& options)
    : env_(env),
      dir_(std::move(dir)),
      config_(std::move(config)),
      options_(options),
      newest_config_(&config_) {}

CollectionImpl::~CollectionImpl() = default;

/// Checkpoints may be missing or damaged where the log reaches back far enough. Whether it does the
/// log itself cannot tell when nothing is left of it.
Status CollectionImpl::check_beginning(Lsn checkpoint_lsn) const {
  if (checkpoint_lsn < config_.origin_lsn) {
    return {Code::kCorruption, dir_ + ": the collection began with its checkpoint of LSN " +
                                   std::to_string(config_.origin_lsn) +
                                   ", and neither that nor a newer one can be read"};
  }
  if (checkpoint_lsn == config_.origin_lsn) return {};
  TRY(env_.files->make_dirs(log_dir_of(dir_)));
  TRY_ASSIGN(const std::vector<std::string> segments, env_.files->list(log_dir_of(dir_)));
  if (!segments.empty()) return {};
  return {Code::kCorruption, log_dir_of(dir_) + ": the log is missing: there was one at LSN " +
                                 std::to_string(checkpoint_lsn)};
}

/// Opens the log and brings the state of that checkpoint to its end, or up to the first restore of
/// it. `opened_late`: a namespace that it goes on with could not be opened.
Status CollectionImpl::replay(const OpenedCheckpoint& checkpoint, bool* opened_late) {
  *opened_late = false;
  restored_lsn_ = 0;
  LogOptions log_options;
  log_options.segment_bytes = options_.log_segment_bytes;
  TRY_ASSIGN(log_, Log::open(*env_.files, log_dir_of(dir_), log_options, checkpoint.lsn,
                             [&](const LogRecord& record) -> Status {
                               // What came before a restore does not count: nothing more is applied
                               // to it.
                               if (static_cast<Op>(record.op) == Op::kRestore)
                                 restored_lsn_ = record.lsn;
                               if (restored_lsn_ != 0) return {};
                               Status replayed = checkpoint.partitions->replay(record);
                               *opened_late = replayed.code() == Code::kCorruption &&
                                              checkpoint.partitions->isolated();
                               return replayed;
                             }));
  return {};
}

/// The newest checkpoint, at the end of the log but for the namespaces that cannot be opened.
Result<OpenedCheckpoint> CollectionImpl::open_without_damaged(const Status& why) {
  log_error("namespace.set_aside",
            {{"collection", config_.name}, {"reason", std::string(why.message())}});
  TRY_ASSIGN(OpenedCheckpoint checkpoint, open_newest_checkpoint(state_source()));
  TRY(check_beginning(checkpoint.lsn));
  checkpoint.partitions->set_aside_damaged(true);
  bool opened_late = false;
  TRY(replay(checkpoint, &opened_late));
  checkpoint.partitions->set_aside_damaged(false);
  return checkpoint;
}

/// The newest checkpoint that is whole, as far as it is needed, at the end of the log.
Result<OpenedCheckpoint> CollectionImpl::open_and_replay() {
  StateSource source = state_source();
  Status damaged;
  for (;;) {
    TRY_ASSIGN(OpenedCheckpoint checkpoint, open_newest_checkpoint(source));
    bool opened_late = false;
    Status status = check_beginning(checkpoint.lsn);
    if (status.ok()) status = replay(checkpoint, &opened_late);
    if (status.ok()) return checkpoint;
    if (!opened_late || checkpoint.lsn == 0)
      return damaged.ok() ? std::move(status) : open_without_damaged(damaged);
    log_error("checkpoint.damaged",
              {{"collection", config_.name}, {"reason", std::string(status.message())}});
    source.passed_over.push_back(checkpoint.lsn);
    if (damaged.ok()) damaged = std::move(status);
  }
}

/// Into the form that the options ask for; where there is no room for that, or a namespace is
/// damaged, the next start tries again.
Status CollectionImpl::convert_if_asked(std::shared_ptr<Partitions>& partitions) {
  if (partitions->isolated() == options_.isolate_namespaces) return {};
  auto converted = convert(state_source(), *partitions);
  if (!converted.ok()) {
    const Code why = converted.error().code();
    if (why != Code::kNoSpace && why != Code::kCorruption) return std::move(converted).error();
    log_error("namespaces.not_converted", {{"collection", config_.name},
                                           {"isolated", partitions->isolated()},
                                           {"reason", std::string(converted.error().message())}});
    TRY_ASSIGN(const std::vector<Lsn> listed, list_manifests(*env_.files, manifest_dir_of(dir_)));
    return collect_checkpoint_garbage(*env_.files, manifest_dir_of(dir_), dir_, listed);
  }
  partitions = *std::move(converted);
  converted_ = true;
  unsaved_work_ = true;
  const MutexLock lock(mutex_);
  if (options_.background) ++checkpoints_wanted_;
  return {};
}

Status CollectionImpl::recover() {
  TRY(env_.files->make_dirs(manifest_dir_of(dir_)));
  TRY_ASSIGN(OpenedCheckpoint checkpoint, open_and_replay());
  const Lsn last = log_->last_lsn();
  if (last < checkpoint.lsn) {
    return Status(Code::kCorruption, dir_ + "/wal ends at LSN " + std::to_string(last) +
                                         ", before the checkpoint at LSN " +
                                         std::to_string(checkpoint.lsn));
  }
  if (restored_lsn_ != 0) {
    StateSource source = state_source();
    source.checked = true;  // as when it was restored, which passed over what is damaged
    auto restored = state_at(source, last);
    if (!restored.ok() && restored.error().code() == Code::kCorruption) {
      // There is no such way: all but the damaged namespaces.
      source.checked = false;
      source.set_aside = true;
      restored = state_at(source, last);
    }
    TRY_ASSIGN(State state, std::move(restored));
    checkpoint.partitions = std::move(state.partitions);
  }
  checkpoint.partitions->publish(last);
  if (options_.convert_namespaces) TRY(convert_if_asked(checkpoint.partitions));
  checkpoint_lsn_ = checkpoint.lsn;
  put_in_force(std::move(checkpoint.partitions));
  env_.commit_clock->advance_past(
      std::max(log_->last_unix_micros(), partitions_->last_write_micros()));
  TRY(list_checkpoints());
  last_checkpoint_micros_ = env_.clock->unix_micros();
  if (options_.background) {
    schedule_tick();
    wake();
  }
  return {};
}

void CollectionImpl::configure(CollectionConfig config) {
  {
    const MutexLock lock(mutex_);
    index_wanted_ = std::make_unique<const IndexConfig>(config.index);
    trim_wanted_ = true;
    moves_due_micros_ = 0;
    configs_.push_back(std::make_unique<const CollectionConfig>(std::move(config)));
    newest_config_.store(configs_.back().get());
  }
  wake();
}

void CollectionImpl::upsert(UpsertRequest request, UpsertCallback done) {
  if (Status status = failure(); !status.ok()) return done(std::move(status));
  if (Status status = no_space(); !status.ok()) return done(std::move(status));
  UpsertResult result;
  result.failed = std::move(request.failed);
  PendingWrite write;
  const bool imported =
      std::any_of(request.points.begin(), request.points.end(),
                  [](const PointInput& point) { return point.created_at || point.expires_micros; });
  const uint64_t default_ttl = config().default_ttl_days.value_or(0) * 86400ull;
  // What points say of time is the clock's, also while the log's does not move.
  const uint64_t now = env_.commit_clock->is_ahead() ? env_.clock->unix_micros() : 0;
  if (imported || now != 0) write.op = Op::kImport;
  UpsertConditions conditions{.within = std::move(request.within),
                              .on_conflict = request.on_conflict,
                              .atomic = request.atomic};
  for (const PointInput& point : request.points) {
    const auto place = static_cast<size_t>(&point - request.points.data());
    if (std::string reason = invalid_reason(point, config_); !reason.empty()) {
      result.failed.emplace_back(point.id, std::move(reason));
      result.failed_points.push_back(place);
      continue;
    }
    conditions.points.push_back({place, point.if_version, point.if_absent});
    PointRecord record;
    record.id = point.id;
    record.ns = text_of(point.ns);
    record.ttl_seconds = point.ttl_seconds.value_or(default_ttl);
    record.metadata_json = point.metadata_json;
    record.created_seconds = point.created_at.value_or(now / 1'000'000);
    record.expires_micros = point.expires_micros.value_or(
        now == 0 || record.ttl_seconds == 0 ? 0 : now + record.ttl_seconds * 1'000'000);
    encode_point(write.op, record, point.vector, write.payload);
  }
  if (write.payload.empty() || (request.atomic && !result.failed.empty())) {
    const EpochGuard guard;
    result.lsn = in_force_.load()->visible_lsn();
    return done(std::move(result));
  }
  const auto outcome = std::make_shared<UpsertResult>(std::move(result));
  if (conditions.any()) {
    write.guard = [this, outcome, conditions = std::move(conditions)](PendingWrite& guarded) {
      return keep_admitted_points(conditions, guarded, *outcome);
    };
  }
  write.done = [outcome, done = std::move(done)](Status status, Lsn lsn, uint64_t count) {
    if (!status.ok()) return done(std::move(status));
    outcome->lsn = lsn;
    outcome->upserted = count;
    done(std::move(*outcome));
  };
  enqueue(std::move(write));
}

void CollectionImpl::remove(DeleteRequest request, DeleteCallback done) {
  if (Status status = failure(); !status.ok()) return done(std::move(status));
  PendingWrite write;
  write.op = Op::kDelete;
  for (const std::string& id : request.ids) {
    encode_id(storage_id(text_of(request.ns), id), write.payload);
  }
  if (request.within) {
    write.guard = [this, within = std::move(request.within)](PendingWrite& guarded) {
      return keep_admitted_ids(*within, guarded);
    };
  }
  write.done = [done = std::move(done)](Status status, Lsn lsn, uint64_t count) {
    if (!status.ok()) return done(std::move(status));
    done(DeleteResult{lsn, count});
  };
  enqueue(std::move(write));
}

Status CollectionImpl::close(bool with_checkpoint) {
  Status status;
  if (with_checkpoint && dirty() && failure().ok()) status = checkpoint();
  {
    const MutexLock lock(mutex_);
    closing_ = true;
  }
  for (;;) {
    {
      const MutexLock lock(mutex_);
      if (!active_ && checkpoints_wanted_ == checkpoints_done_) break;
    }
    if (env_.executor->run_one()) continue;
    const MutexLock lock(mutex_);
    changed_.wait_for(mutex_, 1000);
  }
  Status why;
  {
    const MutexLock lock(mutex_);
    why = why_closing();
  }
  refuse(std::move(why));
  // Now, and not with the last reference: a log cuts its file to size when it goes, and whoever
  // opens the folder next may be writing there by then.
  log_.reset();
  return status;
}

void CollectionImpl::close_dropped() {
  {
    const MutexLock lock(mutex_);
    dropped_ = true;
  }
  close(false).ignore();  // without a checkpoint nothing can fail
}

Status CollectionImpl::why_closing() const {
  if (!dropped_) return {Code::kUnavailable, "the collection was closed"};
  return {Code::kNotFound, "collection '" + config_.name + "' not found: it was dropped meanwhile"};
}

}  // namespace ferres
