// Reading and writing of collection configurations.
#include "api/collection_json.h"

#include <array>
#include <limits>

#include "api/requests.h"

namespace ferres {
namespace {

// Named by the contract, not built yet: refused, so that nobody relies on what is not there.
constexpr std::array<std::string_view, 6> kNotYet = {"vectors",  "text",     "shards",
                                                     "replicas", "language", "default_fusion"};

struct QuantizationKind {
  std::string_view name;
  std::string_view number;  // its main parameter
  uint64_t min;
  uint64_t max;
};
constexpr std::array kQuantizations = {
    QuantizationKind{"Scalar", "qjl_m", 1, 4096}, QuantizationKind{"Polar", "bits_per_angle", 1, 8},
    QuantizationKind{"Lvq", "bits", 4, 8},        QuantizationKind{"RaBitQ", "bits", 1, 8},
    QuantizationKind{"Product", "bits", 4, 8},
};

Status bad_quantization() {
  return Status(Code::kUnprocessable,
                "quantization must be \"Auto\", \"None\", or an object with one of Scalar, Polar, "
                "Lvq, RaBitQ, Product");
}

Status check_quantization(JsonValue value) {
  std::string_view word;
  if (value.get_string().get(word) == simdjson::SUCCESS) {
    return word == "None" || word == "Auto" ? Status() : bad_quantization();
  }
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS || object.size() != 1) {
    return bad_quantization();
  }
  const auto field = *object.begin();
  for (const QuantizationKind& kind : kQuantizations) {
    if (kind.name != field.key) continue;
    TRY_ASSIGN(const JsonFields inner,
               JsonFields::of(field.value, "quantization." + std::string(kind.name)));
    uint64_t number = kind.min;
    TRY(inner.read(kind.number, number));
    if (number < kind.min || number > kind.max) {
      return Status(Code::kInvalidArgument, inner.path(kind.number) + " must be between " +
                                                std::to_string(kind.min) + " and " +
                                                std::to_string(kind.max));
    }
    std::string dtype = "Int8";
    TRY(inner.read("dtype", dtype));
    if (dtype == "Int8") return {};
    return Status(Code::kUnprocessable, inner.path("dtype") + " must be \"Int8\"");
  }
  return bad_quantization();
}

Status read_small(const JsonFields& fields, std::string_view key, uint32_t& out) {
  std::optional<uint64_t> value;
  TRY(fields.read(key, value));
  if (!value) return {};
  if (*value > std::numeric_limits<uint32_t>::max()) {
    return Status(Code::kInvalidArgument, fields.path(key) + " is too large");
  }
  out = static_cast<uint32_t>(*value);
  return {};
}

Status read_days(const JsonFields& fields, std::string_view key, std::optional<uint32_t>& out) {
  if (fields.find(key) == nullptr) return {};
  uint32_t days = 0;
  TRY(read_small(fields, key, days));
  out = days;
  return {};
}

Status read_index(const JsonFields& fields, CollectionConfig& config) {
  if (const JsonValue* value = fields.find("quantization")) {
    TRY(check_quantization(*value));
    TRY_ASSIGN(config.quantization_json, to_json_text(*value));
  }
  TRY(fields.read("index", config.index_sent));
  const uint32_t usual_ef = usual_ef_search(config);
  bool ef_given = config.index.ef_search != usual_ef;
  if (const JsonValue* hnsw = fields.find("hnsw")) {
    TRY_ASSIGN(const JsonFields inner, JsonFields::of(*hnsw, "hnsw"));
    ef_given |= inner.find("ef_search") != nullptr;
    TRY(read_small(inner, "m", config.index.m));
    TRY(read_small(inner, "ef_construction", config.index.ef_construction));
    TRY(read_small(inner, "ef_search", config.index.ef_search));
  }
  TRY(resolve_index(config));
  if (!ef_given) config.index.ef_search = usual_ef_search(config);
  return validate_index(config.index);
}

Status read_storage(const JsonFields& fields, CollectionConfig& config) {
  const JsonValue* storage = fields.find("storage");
  if (storage == nullptr) return {};
  TRY_ASSIGN(const JsonFields inner, JsonFields::of(*storage, "storage"));
  std::string vectors = "ram";
  std::string precision;
  TRY(inner.read("vectors", vectors));
  TRY(inner.read("precision", precision));
  TRY_ASSIGN(config.vectors, parse_vector_place(vectors, precision));
  return {};
}

Status read_tiers(const JsonFields& fields, TierConfig& tiers) {
  const JsonValue* value = fields.find("tiered_storage");
  if (value == nullptr) return {};
  TRY_ASSIGN(const JsonFields inner, JsonFields::of(*value, "tiered_storage"));
  TRY(inner.read("enabled", tiers.enabled));
  TRY(read_small(inner, "hot_threshold_hours", tiers.hot_threshold_hours));
  TRY(read_small(inner, "warm_threshold_hours", tiers.warm_threshold_hours));
  TRY(read_small(inner, "compaction_interval_secs", tiers.compaction_interval_secs));
  TRY(inner.read("hot_bytes_max", tiers.hot_bytes_max));
  return validate_tiers(tiers);
}

Status read_default_ttl(const JsonFields& fields, CollectionConfig& config) {
  TRY(read_days(fields, "default_ttl_days", config.default_ttl_days));
  if (!config.default_ttl_days) return {};
  if (*config.default_ttl_days > 0 && *config.default_ttl_days <= kTtlDaysMax) return {};
  return {Code::kInvalidArgument,
          "default_ttl_days must be between 1 and " + std::to_string(kTtlDaysMax)};
}

Status read_text(const JsonFields& fields, CollectionConfig& config) {
  TRY(fields.read("enable_bm25", config.enable_bm25));
  if (config.enable_bm25) {
    return Status(Code::kInvalidArgument, "enable_bm25 is not supported yet");
  }
  return fields.read("bm25_text_field", config.bm25_text_field);
}

}  // namespace

Result<CollectionConfig> read_config(const JsonFields& fields) {
  CollectionConfig config;
  std::string metric;
  uint64_t dimension = 0;
  TRY(fields.require("name", config.name));
  TRY(fields.require("dimension", dimension));
  TRY(fields.require("distance", metric));
  const std::optional<Metric> parsed = parse_metric(metric);
  if (!parsed) {
    return Status(Code::kUnprocessable,
                  "unknown distance '" + metric + "', expected Cosine, DotProduct or Euclidean");
  }
  config.metric = *parsed;
  config.dimension =
      static_cast<uint32_t>(std::min<uint64_t>(dimension, std::numeric_limits<uint32_t>::max()));
  TRY(validate_config(config));
  TRY(fields.refuse(kNotYet));
  TRY(read_storage(fields, config));
  TRY(read_tiers(fields, config.tiers));
  TRY(read_index(fields, config));
  TRY(read_text(fields, config));
  TRY(read_days(fields, "retention_days", config.retention_days));
  TRY(read_default_ttl(fields, config));
  return config;
}

Status change_config(const JsonFields& fields, CollectionConfig& config) {
  constexpr std::array<std::string_view, 3> kConstant = {"dimension", "distance", "storage"};
  for (const std::string_view key : kConstant) {
    if (fields.find(key) == nullptr) continue;
    return {Code::kInvalidArgument, std::string(key) + " cannot be changed: create a collection"};
  }
  const bool index = fields.find("index") != nullptr || fields.find("quantization") != nullptr ||
                     fields.find("hnsw") != nullptr;
  if (index) TRY(read_index(fields, config));
  const bool tiered = config.tiers.enabled;
  TRY(read_tiers(fields, config.tiers));
  if (config.tiers.enabled != tiered) {
    return {Code::kInvalidArgument,
            "tiered_storage.enabled cannot be changed: create a collection"};
  }
  uint64_t ttl_days = 1;
  TRY(fields.read("default_ttl_days", ttl_days));
  if (ttl_days == 0) {
    config.default_ttl_days.reset();
  } else {
    TRY(read_default_ttl(fields, config));
  }
  const bool other = index || fields.find("tiered_storage") != nullptr ||
                     fields.find("default_ttl_days") != nullptr;
  if (other && fields.find("retention_days") == nullptr) return {};
  config.retention_days.reset();
  return read_days(fields, "retention_days", config.retention_days);
}

void write_config_fields(JsonWriter& json, const CollectionConfig& config) {
  json.field("name", std::string_view(config.name)).field("dimension", config.dimension);
  json.field("distance", metric_name(config.metric));
  json.field("created_at", config.created_at);
  json.key("quantization").raw(config.quantization_json);
  json.field("quantization_in_force", std::string_view(quantization_in_force(config)));
  json.field("enable_bm25", config.enable_bm25);
  json.field("bm25_text_field", std::string_view(config.bm25_text_field));
  json.key("tiered_storage").raw(encode_tiers(config.tiers));
  if (config.retention_days) json.field("retention_days", *config.retention_days);
  if (config.default_ttl_days) json.field("default_ttl_days", *config.default_ttl_days);
  json.field("index", std::string_view(config.index_sent));
  json.key("storage").begin_object();
  json.field("vectors", vectors_name(config.vectors));
  json.field("precision", precision_name(config.vectors)).end_object();
  json.key("hnsw").begin_object();
  json.field("m", config.index.m).field("ef_construction", config.index.ef_construction);
  json.field("ef_search", config.index.ef_search);
  json.end_object();
}

}  // namespace ferres
