// The table of index types: one row each. Any thread.
#include <array>
#include <string>

#include "index/ann_index.h"
#include "index/flat.h"
#include "index/hnsw.h"
#include "index/hnsw_layout.h"

namespace ferres {
namespace {

struct Type {
  std::string_view name;
  Result<std::unique_ptr<ANNIndex>> (*open)(const IndexConfig&, const VectorStore&, PageStore&,
                                            uint32_t first_arena);
};

constexpr std::array<Type, 2> kTypes = {{{"flat", FlatIndex::open}, {"hnsw", HnswIndex::open}}};

constexpr uint32_t kLinksMin = 2;
constexpr uint32_t kEfMax = 10000;

const Type* find_type(std::string_view name) {
  for (const Type& type : kTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

Status in_range(const char* name, uint32_t value, uint32_t min, uint32_t max) {
  if (value >= min && value <= max) return {};
  return Status(Code::kInvalidArgument, std::string(name) + " must be between " +
                                            std::to_string(min) + " and " + std::to_string(max) +
                                            ", got " + std::to_string(value));
}

}  // namespace

Status validate_index(const IndexConfig& config) {
  TRY(in_range("m", config.m, kLinksMin, kLinksMax));
  TRY(in_range("ef_construction", config.ef_construction, 1, kEfMax));
  TRY(in_range("ef_search", config.ef_search, 1, kEfMax));
  if (find_type(config.type) != nullptr) return {};
  std::string known;
  for (const Type& type : kTypes)
    known += std::string(known.empty() ? "" : ", ") + std::string(type.name);
  return Status(Code::kInvalidArgument,
                "unknown index type '" + config.type + "'; there are: " + known);
}

Result<std::unique_ptr<ANNIndex>> create_ann_index(const IndexConfig& config,
                                                   const VectorStore& vectors, PageStore& store,
                                                   uint32_t first_arena) {
  TRY(validate_index(config));
  return find_type(config.type)->open(config, vectors, store, first_arena);
}

}  // namespace ferres
