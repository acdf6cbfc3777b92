// A collection's configuration in requests and answers (API.md 4.2, 16.2). Any thread.
#pragma once
#include "base/status.h"
#include "collection/config.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {

/// From the body of create collection: shape (422), then what is not supported yet and ranges
/// (400).
Result<CollectionConfig> read_config(const JsonFields& fields);

/// Applies the body of patch collection: index, quantization, hnsw, and retention_days, which is
/// forgotten when nothing is named (API.md 5.2). Errors as read_config's.
Status change_config(const JsonFields& fields, CollectionConfig& config);

/// The fields that create and get answer alike, inside an open object.
void write_config_fields(JsonWriter& json, const CollectionConfig& config);

}  // namespace ferres
