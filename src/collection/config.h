// What a user chose when creating a collection: immutable, or changed by a config record. Kept as
// the JSON of API.md 4.2 in the system log and in config.json; files written by an older version,
// without newer fields, get the defaults.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "index/ann_index.h"

namespace ferres {

inline constexpr uint32_t kDimensionMax = 4096;
inline constexpr size_t kNameBytesMax = 200;

/// API.md 4.4, and a bound of ours.
struct TierConfig {
  bool enabled = false;  // chosen at creation
  uint32_t hot_threshold_hours = 24;
  uint32_t warm_threshold_hours = 168;
  uint32_t compaction_interval_secs = 3600;
  std::optional<uint64_t> hot_bytes_max;

  TierPolicy policy() const;
};

struct CollectionConfig {
  std::string name;
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  IndexConfig index;
  VectorPlace vectors;
  std::string index_sent = "auto";             // a name of resolve_index, as sent
  std::string quantization_json = "\"Auto\"";  // as sent; index.quantizer is in force
  bool enable_bm25 = false;
  std::string bm25_text_field = "text";
  TierConfig tiers;
  std::optional<uint32_t> retention_days;
  std::optional<uint32_t> default_ttl_days;
  std::string uuid;         // 32 hex digits, given at creation
  uint64_t created_at = 0;  // Unix seconds
  /// The LSN of the checkpoint that the collection began with, as a copy or out of a backup: there
  /// is no log from before. 0: it began empty.
  Lsn origin_lsn = 0;
};

/// "Cosine", "DotProduct", "Euclidean".
std::string_view metric_name(Metric metric);
std::optional<Metric> parse_metric(std::string_view name);

/// What storage {vectors, precision} of API.md 16.2 mean: "ram", "mmap", "disk", "none" (codes of 8
/// bits alone); "f32", "f16", "bf16". An empty precision is f32. kUnprocessable for other words.
Result<VectorPlace> parse_vector_place(std::string_view vectors, std::string_view precision);
std::string_view vectors_name(const VectorPlace& place);
/// "u8" where there are only codes.
std::string_view precision_name(const VectorPlace& place);

/// The contract's checks and messages for name and dimension.
Status validate_config(const CollectionConfig& config);

/// kInvalidArgument for thresholds that are too large or in the wrong order.
Status validate_tiers(const TierConfig& tiers);
/// The object of API.md 4.4, all of it.
std::string encode_tiers(const TierConfig& tiers);
/// Where vectors are and how: what `vectors` says, unless tiers decide.
VectorPlace place_of(const CollectionConfig& config);

/// Decides once, at creation, what index_sent ("auto", "fast", "compact", "hnsw", "flat") and
/// quantization_json mean for `index`: type, layout and quantizer. "auto" takes what measured best
/// for the dimension and the place of the vectors (docs/ENGINE.md); "hnsw" is "compact".
/// kInvalidArgument when they do not fit.
Status resolve_index(CollectionConfig& config);
/// The ef_search of whom nothing was said, with the quantizer that `index` has.
uint32_t usual_ef_search(const CollectionConfig& config);
/// What index.quantizer is called: "None", "rabitq8", ...
std::string quantization_in_force(const CollectionConfig& config);

std::string encode_config(const CollectionConfig& config);
Result<CollectionConfig> decode_config(std::string_view json);

}  // namespace ferres
