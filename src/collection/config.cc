// Configuration as JSON: read with simdjson, written by hand (a dozen flat fields).
#include "collection/config.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <simdjson.h>

#include "quant/quantizer.h"
#include "quant/rotation.h"

namespace ferres {
namespace {

constexpr std::string_view kMetricNames[] = {"Cosine", "DotProduct", "Euclidean"};

constexpr std::string_view kPlaceNames[] = {"ram", "mmap", "disk"};     // by Residency
constexpr std::string_view kPrecisionNames[] = {"f32", "f16", "bf16"};  // by RowFormat

// By codes that say so little the nearest do not come out first, so that more of them have to be
// scored again by their vectors: GloVe, 100 dimensions, recall@10 at ef_search 50 and 200: 0.62 and
// 0.85 on one bit a component, 0.83 and 0.94 on two; wordnet384 on one bit: 0.98 at 50.
constexpr uint32_t kCoarseBits = 2;
constexpr uint32_t kCoarseCodeBits = 256;

/// A JSON string literal.
std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

using Element = simdjson::dom::element;

std::string text_field(const Element& root, const char* key, std::string_view fallback) {
  std::string_view value;
  if (root[key].get(value) != simdjson::SUCCESS) return std::string(fallback);
  return std::string(value);
}

uint64_t number_field(const Element& root, const char* key, uint64_t fallback) {
  uint64_t value = 0;
  return root[key].get(value) == simdjson::SUCCESS ? value : fallback;
}

std::optional<uint32_t> optional_field(const Element& root, const char* key) {
  uint64_t value = 0;
  if (root[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  return static_cast<uint32_t>(value);
}

/// The field's JSON text, minified; fallback when it is absent.
std::string json_field(const Element& root, const char* key, std::string_view fallback) {
  Element value;
  if (root[key].get(value) != simdjson::SUCCESS) return std::string(fallback);
  return simdjson::minify(value);
}

// Measured (docs/ENGINE.md). From the first on the one-bit codes of neighbours are exact enough to
// be worth their bytes; below it four bits a component walk as fast in a fraction of the memory;
// below the second a full vector is no longer than what codes need to be told apart.
constexpr uint32_t kFastDimensionMin = 160;
constexpr uint32_t kCodesDimensionMin = 64;

QuantizerSpec best_quantizer(GraphLayout layout) {
  return {.kind = "rabitq", .bits = layout == GraphLayout::kFast ? 8u : 4u};
}

/// Who keeps less than the full vectors in memory, always or now and then.
bool keeps_vectors_away(const CollectionConfig& config) {
  return place_of(config).residency != Residency::kMemory;
}

/// The quantizer that a quantization object of API.md 4.3 names. Its shape was checked before.
Result<std::optional<QuantizerSpec>> quantizer_of(const CollectionConfig& config) {
  simdjson::dom::parser parser;
  Element value;
  if (parser.parse(config.quantization_json).get(value) != simdjson::SUCCESS) {
    return Status(Code::kInvalidArgument, "quantization is not JSON");
  }
  std::string_view word;
  if (value.get_string().get(word) == simdjson::SUCCESS) {
    // From the disk a vector is read to be scored again, never to walk on.
    const bool codes =
        word != "None" && (keeps_vectors_away(config) || config.dimension >= kCodesDimensionMin);
    if (!codes) return std::optional<QuantizerSpec>();
    QuantizerSpec best = best_quantizer(config.index.layout);
    // In a few dimensions codes of four bits are too alike.
    if (config.dimension < kCodesDimensionMin) best.bits = 8;
    return std::optional(std::move(best));
  }
  QuantizerSpec spec;
  Element inner;
  if (value["Scalar"].get(inner) == simdjson::SUCCESS) {
    double quantile = 0;
    if (inner["quantile"].get(quantile) == simdjson::SUCCESS) {
      spec.quantile = static_cast<float>(quantile <= 1 ? quantile * 100 : quantile);
    }
    spec.kind = "sq8";
  } else if (value["Polar"].get(inner) == simdjson::SUCCESS) {
    spec.kind = "polar";
    spec.bits = static_cast<uint32_t>(number_field(inner, "bits_per_angle", 8));
  } else if (value["Lvq"].get(inner) == simdjson::SUCCESS) {
    spec.kind = "lvq";
    spec.bits = static_cast<uint32_t>(number_field(inner, "bits", 8));
  } else if (value["RaBitQ"].get(inner) == simdjson::SUCCESS) {
    spec.bits = static_cast<uint32_t>(number_field(inner, "bits", 8));
  } else {
    return Status(Code::kInvalidArgument, "quantization " + config.quantization_json +
                                              " is not supported yet; there are Auto, None, "
                                              "Scalar, Polar, Lvq, RaBitQ");
  }
  TRY_ASSIGN([[maybe_unused]] const auto made,
             create_quantizer(spec, CodeMetric::kL2, Rotation::pad(config.dimension)));
  return std::optional(std::move(spec));
}

std::string encode_quantizer(const std::optional<QuantizerSpec>& spec) {
  if (!spec) return "null";
  return fmt::format(R"({{"kind":{},"bits":{},"quantile":{}}})", json_text(spec->kind), spec->bits,
                     spec->quantile);
}

std::optional<QuantizerSpec> decode_quantizer(const Element& hnsw) {
  Element object;
  if (hnsw["quantizer"].get(object) != simdjson::SUCCESS || !object.is_object()) {
    return std::nullopt;
  }
  QuantizerSpec spec;
  spec.kind = text_field(object, "kind", spec.kind);
  spec.bits = static_cast<uint32_t>(number_field(object, "bits", spec.bits));
  double quantile = 0;
  if (object["quantile"].get(quantile) == simdjson::SUCCESS) {
    spec.quantile = static_cast<float>(quantile);
  }
  return spec;
}

constexpr uint32_t kMinutesPerHour = 60;
constexpr uint32_t kThresholdHoursMax = 24 * 366 * 100;
constexpr uint32_t kIntervalSecsMax = 24 * 3600 * 366;

TierConfig decode_tiers(const Element& root) {
  TierConfig tiers;
  Element object;
  if (root["tiered_storage"].get(object) != simdjson::SUCCESS) return tiers;
  bool enabled = false;
  if (object["enabled"].get(enabled) == simdjson::SUCCESS) tiers.enabled = enabled;
  const auto small = [&object](const char* key, uint32_t fallback) {
    return static_cast<uint32_t>(number_field(object, key, fallback));
  };
  tiers.hot_threshold_hours = small("hot_threshold_hours", tiers.hot_threshold_hours);
  tiers.warm_threshold_hours = small("warm_threshold_hours", tiers.warm_threshold_hours);
  tiers.compaction_interval_secs =
      small("compaction_interval_secs", tiers.compaction_interval_secs);
  uint64_t bytes = 0;
  if (object["hot_bytes_max"].get(bytes) == simdjson::SUCCESS) tiers.hot_bytes_max = bytes;
  return tiers;
}

}  // namespace

TierPolicy TierConfig::policy() const {
  return {.hot_minutes = hot_threshold_hours * kMinutesPerHour,
          .warm_minutes = warm_threshold_hours * kMinutesPerHour,
          .hot_bytes_max = hot_bytes_max.value_or(std::numeric_limits<uint64_t>::max())};
}

Status validate_tiers(const TierConfig& tiers) {
  if (tiers.warm_threshold_hours > kThresholdHoursMax) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("tiered_storage.warm_threshold_hours must be at most {}", kThresholdHoursMax));
  }
  if (tiers.hot_threshold_hours > tiers.warm_threshold_hours) {
    return Status(Code::kInvalidArgument,
                  "tiered_storage.hot_threshold_hours must not be above warm_threshold_hours");
  }
  if (tiers.compaction_interval_secs < 1 || tiers.compaction_interval_secs > kIntervalSecsMax) {
    return Status(Code::kInvalidArgument,
                  fmt::format("tiered_storage.compaction_interval_secs must be between 1 and {}",
                              kIntervalSecsMax));
  }
  return {};
}

std::string encode_tiers(const TierConfig& tiers) {
  std::string json =
      fmt::format(R"({{"enabled":{},"hot_threshold_hours":{},"warm_threshold_hours":{},)"
                  R"("compaction_interval_secs":{})",
                  tiers.enabled, tiers.hot_threshold_hours, tiers.warm_threshold_hours,
                  tiers.compaction_interval_secs);
  if (tiers.hot_bytes_max) json += fmt::format(",\"hot_bytes_max\":{}", *tiers.hot_bytes_max);
  return json + "}";
}

VectorPlace place_of(const CollectionConfig& config) {
  VectorPlace place = config.vectors;
  if (config.tiers.enabled) place.residency = Residency::kTiered;
  return place;
}

Status resolve_index(CollectionConfig& config) {
  const std::string& sent = config.index_sent;
  IndexConfig& index = config.index;
  index.type = sent == "flat" ? "flat" : "hnsw";
  if (sent == "fast") {
    index.layout = GraphLayout::kFast;
  } else if (sent == "compact" || sent == "hnsw" || sent == "flat") {
    index.layout = GraphLayout::kCompact;
  } else if (sent == "auto") {
    // Who keeps less than the full vectors in memory wants memory rather than the last of speed.
    const bool all_in_memory =
        !keeps_vectors_away(config) && config.vectors.format == RowFormat::kF32;
    index.layout = all_in_memory && config.dimension >= kFastDimensionMin ? GraphLayout::kFast
                                                                          : GraphLayout::kCompact;
  } else {
    return Status(Code::kUnprocessable,
                  "unknown index '" + sent + "'; there are auto, fast, compact, hnsw, flat");
  }
  TRY_ASSIGN(index.quantizer, quantizer_of(config));
  if (sent == "flat") index.quantizer.reset();
  if (sent != "flat" && !index.quantizer && config.vectors.residency == Residency::kDisk) {
    return Status(Code::kInvalidArgument,
                  "storage.vectors \"disk\" needs a quantization to walk on, as \"Auto\"; with "
                  "\"None\" keep the vectors in \"mmap\" or \"ram\"");
  }
  return {};
}

uint32_t usual_ef_search(const CollectionConfig& config) {
  const uint32_t usual = IndexConfig{}.ef_search;
  if (!config.index.quantizer) return usual;
  const QuantizerSpec& spec = *config.index.quantizer;
  const uint32_t bits = spec.kind == "polar" ? spec.bits / 2 : spec.bits;  // of one component
  return bits <= kCoarseBits && bits * config.dimension < kCoarseCodeBits ? usual * 4 : usual;
}

std::string quantization_in_force(const CollectionConfig& config) {
  if (!config.index.quantizer) return "None";
  const QuantizerSpec& spec = *config.index.quantizer;
  return spec.kind == "sq8" ? spec.kind : spec.kind + std::to_string(spec.bits);
}

Result<VectorPlace> parse_vector_place(std::string_view vectors, std::string_view precision) {
  VectorPlace place;
  if (vectors == "none") {
    place.format = RowFormat::kU8;
    if (precision.empty() || precision == precision_name(place)) return place;
    return Status(Code::kInvalidArgument,
                  "storage.precision has no meaning when storage.vectors is \"none\"");
  }
  const auto* const where = std::find(std::begin(kPlaceNames), std::end(kPlaceNames), vectors);
  if (where == std::end(kPlaceNames)) {
    return Status(Code::kUnprocessable, "unknown storage.vectors '" + std::string(vectors) +
                                            "'; there are ram, mmap, disk, none");
  }
  place.residency = static_cast<Residency>(where - std::begin(kPlaceNames));
  const auto* const kept =
      std::find(std::begin(kPrecisionNames), std::end(kPrecisionNames), precision);
  if (!precision.empty() && kept == std::end(kPrecisionNames)) {
    return Status(Code::kUnprocessable, "unknown storage.precision '" + std::string(precision) +
                                            "'; there are f32, f16, bf16");
  }
  if (!precision.empty()) place.format = static_cast<RowFormat>(kept - std::begin(kPrecisionNames));
  return place;
}

std::string_view vectors_name(const VectorPlace& place) {
  return place.format == RowFormat::kU8 ? "none"
                                        : kPlaceNames[static_cast<size_t>(place.residency)];
}

std::string_view precision_name(const VectorPlace& place) {
  return place.format == RowFormat::kU8 ? "u8" : kPrecisionNames[static_cast<size_t>(place.format)];
}

std::string_view metric_name(Metric metric) {
  return kMetricNames[static_cast<size_t>(metric)];
}

std::optional<Metric> parse_metric(std::string_view name) {
  for (size_t i = 0; i < std::size(kMetricNames); ++i) {
    if (kMetricNames[i] == name) return static_cast<Metric>(i);
  }
  return std::nullopt;
}

Status validate_config(const CollectionConfig& config) {
  if (config.name.empty()) return Status(Code::kInvalidArgument, "name cannot be empty");
  if (config.name.size() > kNameBytesMax) {
    return Status(Code::kInvalidArgument, fmt::format("name too long: max {}", kNameBytesMax));
  }
  for (const char c : config.name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
      return Status(Code::kInvalidArgument,
                    "name can only contain letters, numbers, hyphens, and underscores");
    }
  }
  if (config.dimension < 1 || config.dimension > kDimensionMax) {
    return Status(Code::kInvalidArgument,
                  fmt::format("dimension must be between 1 and {}", kDimensionMax));
  }
  return {};
}

std::string encode_config(const CollectionConfig& config) {
  std::string json = fmt::format(
      R"({{"name":{},"uuid":{},"created_at":{},"dimension":{},"distance":{},"index":{},)"
      R"("hnsw":{{"type":{},"layout":{},"quantizer":{},"m":{},"ef_construction":{},"ef_search":{},)"
      R"("seed":{}}},)"
      R"("storage":{{"vectors":{},"precision":{}}},)"
      R"("quantization":{},"enable_bm25":{},"bm25_text_field":{})",
      json_text(config.name), json_text(config.uuid), config.created_at, config.dimension,
      json_text(metric_name(config.metric)), json_text(config.index_sent),
      json_text(config.index.type),
      json_text(config.index.layout == GraphLayout::kFast ? "fast" : "compact"),
      encode_quantizer(config.index.quantizer), config.index.m, config.index.ef_construction,
      config.index.ef_search, config.index.seed, json_text(vectors_name(config.vectors)),
      json_text(precision_name(config.vectors)), config.quantization_json, config.enable_bm25,
      json_text(config.bm25_text_field));
  json += ",\"tiered_storage\":" + encode_tiers(config.tiers);
  if (config.retention_days) json += fmt::format(",\"retention_days\":{}", *config.retention_days);
  if (config.default_ttl_days) {
    json += fmt::format(",\"default_ttl_days\":{}", *config.default_ttl_days);
  }
  if (config.origin_lsn != 0) json += fmt::format(",\"origin_lsn\":{}", config.origin_lsn);
  return json + "}";
}

Result<CollectionConfig> decode_config(std::string_view json) {
  simdjson::dom::parser parser;
  Element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return Status(Code::kCorruption, "a collection's configuration is not a JSON object");
  }
  CollectionConfig config;
  config.name = text_field(root, "name", "");
  config.uuid = text_field(root, "uuid", "");
  config.created_at = number_field(root, "created_at", 0);
  config.dimension = static_cast<uint32_t>(number_field(root, "dimension", 0));
  const auto metric = parse_metric(text_field(root, "distance", ""));
  if (!metric) return Status(Code::kCorruption, "a collection's configuration has no distance");
  config.metric = *metric;
  config.index_sent = text_field(root, "index", config.index_sent);
  if (Element hnsw; root["hnsw"].get(hnsw) == simdjson::SUCCESS) {
    IndexConfig& index = config.index;
    index.type = text_field(hnsw, "type", index.type);
    // Collections older than these fields walk on full vectors.
    if (text_field(hnsw, "layout", "compact") == "fast") index.layout = GraphLayout::kFast;
    index.quantizer = decode_quantizer(hnsw);
    index.m = static_cast<uint32_t>(number_field(hnsw, "m", index.m));
    index.ef_construction =
        static_cast<uint32_t>(number_field(hnsw, "ef_construction", index.ef_construction));
    index.ef_search = static_cast<uint32_t>(number_field(hnsw, "ef_search", index.ef_search));
    index.seed = number_field(hnsw, "seed", index.seed);
  }
  if (Element storage; root["storage"].get(storage) == simdjson::SUCCESS) {
    TRY_ASSIGN(config.vectors, parse_vector_place(text_field(storage, "vectors", "ram"),
                                                  text_field(storage, "precision", "")));
  }
  config.quantization_json = json_field(root, "quantization", config.quantization_json);
  bool bm25 = false;
  if (root["enable_bm25"].get(bm25) == simdjson::SUCCESS) config.enable_bm25 = bm25;
  config.bm25_text_field = text_field(root, "bm25_text_field", config.bm25_text_field);
  config.tiers = decode_tiers(root);
  config.retention_days = optional_field(root, "retention_days");
  config.default_ttl_days = optional_field(root, "default_ttl_days");
  config.origin_lsn = number_field(root, "origin_lsn", 0);
  TRY(validate_config(config));
  return config;
}

}  // namespace ferres
