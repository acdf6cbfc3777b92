// A stream of points: the newest checkpoint opened once more, beside the partitions in force. The
// page files of a collection's one partition are mapped at once, so that they may lose their names
// while they are read. Namespaces with files of their own are opened one after the other, so the
// history stays as it is until the stream ends.
#include <utility>

#include "base/epoch.h"
#include "collection/impl.h"
#include "collection/read_filter.h"

namespace ferres {

class CollectionImpl::CheckpointStream : public PointStream {
 public:
  /// `pin` may be null.
  CheckpointStream(OpenedCheckpoint opened, StreamRequest request, const CollectionImpl& collection,
                   std::unique_ptr<const StreamPin> pin)
      : request_(std::move(request)),
        approximate_(collection.config_.vectors.format != RowFormat::kF32),
        now_micros_(collection.env_.clock->unix_micros()),
        lsn_(opened.lsn),
        pin_(std::move(pin)),
        partitions_(std::move(opened.partitions)),
        parts_(looks_of(*partitions_, request_)) {
    for (const Look& look : parts_)
      total_ += partitions_->isolated() ? look.part->points.load() : partitions_->points();
  }

  Lsn lsn() const override { return lsn_; }
  uint64_t points_done() const override { return done_; }
  uint64_t points_total() const override { return total_; }

  Result<bool> read(uint64_t slots_max, const std::function<bool(Point)>& visit) override {
    if (filter_ == nullptr && part_ < parts_.size()) TRY(open_part());
    if (filter_ == nullptr) return false;
    const uint64_t end = std::min<uint64_t>(slots_, next_ + slots_max);
    while (next_ < end) {
      const Slot slot = next_++;
      done_ += filter_->view().living(slot) ? 1 : 0;
      if (!filter_->admits(slot)) continue;
      TRY_ASSIGN(Point point, point_of(slot));
      if (!visit(std::move(point))) break;
    }
    TRY(filter_->damage());
    if (next_ < slots_) return true;
    filter_.reset();
    return ++part_ < parts_.size();
  }

 private:
  /// One way through a part; of a part that namespaces share there may be several.
  struct Look {
    std::shared_ptr<Part> part;
    std::string ns;  // empty: all of the part
  };

  static std::vector<Look> looks_of(const Partitions& partitions, const StreamRequest& request) {
    std::vector<std::string> names = request.namespaces;
    const std::string_view ns =
        namespace_of(request.ns, request.filter ? &*request.filter : nullptr);
    if (!ns.empty()) names = {std::string(ns)};
    std::vector<Look> looks;
    for (const std::string& name : names) {
      if (auto part = partitions.find(name)) looks.push_back({std::move(part), name});
    }
    if (!names.empty()) return looks;
    for (const std::shared_ptr<Part>& part : partitions.all())
      looks.push_back({part, {}});
    return looks;
  }

  /// Begins with parts_[part_]; the one before is closed. The one part that all share stays open:
  /// its files may have lost their names.
  Status open_part() {
    if (partitions_->isolated()) partitions_->close_some(0);
    const Look& look = parts_[part_];
    TRY(partitions_->reach(*look.part));
    partition_ = look.part->partition.load();
    slots_ = partition_->slots_given();
    next_ = 0;
    filter_ = std::make_unique<ReadFilter>(*partition_, lsn_, now_micros_, look.ns,
                                           request_.filter ? &*request_.filter : nullptr);
    return {};
  }

  Result<Point> point_of(Slot slot) const {
    TRY_ASSIGN(const Record record, partition_->heap().read(filter_->view().record(slot)));
    Point point;
    point.id = record.id;
    if (!record.ns.empty()) point.ns.emplace(record.ns);
    point.metadata_json = record.metadata_json;
    point.created_at = record.created_seconds;
    point.expires_micros = record.expires_micros;
    point.version = filter_->view().born(slot);
    if (!request_.with_vector || !record.has_vector) return point;
    TRY(partition_->vectors().verify(slot));
    point.vector = partition_->vectors().get(slot);
    point.approximate = approximate_;
    return point;
  }

  const StreamRequest request_;
  const bool approximate_;
  const uint64_t now_micros_;
  const Lsn lsn_;
  const std::unique_ptr<const StreamPin> pin_;
  const std::shared_ptr<Partitions> partitions_;
  const std::vector<Look> parts_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
  size_t part_ = 0;
  // of the part that is being read
  const Partition* partition_ = nullptr;
  std::unique_ptr<const ReadFilter> filter_;  // null: none is
  uint64_t slots_ = 0;
  Slot next_ = 0;
};

Result<std::unique_ptr<PointStream>> CollectionImpl::stream(StreamRequest request) {
  TRY(failure());
  if (dirty()) TRY(checkpoint());
  auto pin = std::make_unique<const StreamPin>(shared_from_this());
  const Lsn wanted = checkpoint_lsn_;
  StateSource source = state_source();
  source.as_found = true;
  TRY_ASSIGN(OpenedCheckpoint opened, open_newest_checkpoint(source));
  // One that is damaged was passed over, and an older one does not have what is visible.
  if (opened.lsn < wanted) {
    return Status(Code::kCorruption, dir_ + ": the checkpoint of LSN " + std::to_string(wanted) +
                                         " cannot be read; see ferresdb check");
  }
  if (!opened.partitions->isolated()) pin.reset();
  return std::unique_ptr<PointStream>(std::make_unique<CheckpointStream>(
      std::move(opened), std::move(request), *this, std::move(pin)));
}

}  // namespace ferres
