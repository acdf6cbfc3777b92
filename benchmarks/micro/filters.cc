// What the payload index costs and how fast filters are with it: insertion and bytes a point and
// field, time to evaluate filters of each kind, time to open a saved index. Over the texts of
// wordnet384 (fields pos and lexfile) with a float, a unique string, a time and a place made up.
//   filters_bench DATA_SET_FOLDER [COPIES]      COPIES: the points so many times over
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/epoch.h"
#include "base/files.h"
#include "base/random.h"
#include "measure.h"
#include "payload/payload_index.h"

namespace ferres::bench {
namespace {

constexpr int kRounds = 200;

std::string member(const std::string& line, const std::string& name) {
  const size_t at = line.find("\"" + name + "\": \"");
  if (at == std::string::npos) return {};
  const size_t begin = at + name.size() + 5;
  return line.substr(begin, line.find('"', begin) - begin);
}

struct Field {
  const char* name;
  std::vector<std::string> values;  // JSON
};

std::vector<Field> read_fields(const std::string& folder, int copies) {
  std::vector<Field> fields{{"pos", {}},  {"lexfile", {}}, {"price", {}},
                            {"word", {}}, {"when", {}},    {"at", {}}};
  Random random(1);
  for (int copy = 0; copy < copies; ++copy) {
    std::ifstream file(folder + "/texts.jsonl");
    std::string line;
    while (std::getline(file, line)) {
      fields[0].values.push_back("\"" + member(line, "pos") + "\"");
      fields[1].values.push_back("\"" + member(line, "lexfile") + "\"");
      fields[2].values.push_back(fmt::format("{}", random.unit() * 1000));
      fields[3].values.push_back(fmt::format("\"{}-{}\"", member(line, "id"), copy));
      fields[4].values.push_back(fmt::format("\"20{:02}-{:02}-{:02}T{:02}:00:00Z\"",
                                             random.below(25), random.below(12) + 1,
                                             random.below(28) + 1, random.below(24)));
      fields[5].values.push_back(fmt::format(R"({{"lat":{},"lon":{}}})", random.unit() * 140 - 60,
                                             random.unit() * 360 - 180));
    }
  }
  return fields;
}

class Store {
 public:
  explicit Store(std::string dir) : dir_(std::move(dir)) { open(); }
  void open() {
    index.reset();
    store_ = *PageStore::open(posix_files(), dir_, manifest_);
    index = *PayloadIndex::open(*store_, 4);
    index->set_limit(uint64_t{4} << 30);
  }
  void save() {
    CHECK(index->save().ok());
    store_->begin_checkpoint();
    manifest_ = *store_->write_checkpoint();
    store_->commit_checkpoint();
  }
  bool scrub() { return store_->scrub(1 << 20); }
  uint64_t disk_bytes() const { return store_->disk_bytes(); }
  std::unique_ptr<PayloadIndex> index;

 private:
  const std::string dir_;
  StoreManifest manifest_{.family = "index"};
  std::unique_ptr<PageStore> store_;
};

void measure_insertion(const std::string& dir, const std::vector<Field>& fields) {
  fmt::print("{:10} {:>10} {:>12} {:>12}\n", "field", "us/point", "bytes/point", "removed us");
  for (const Field& field : fields) {
    Store store(dir);
    std::vector<std::string> documents;
    documents.reserve(field.values.size());
    for (const std::string& value : field.values)
      documents.push_back(fmt::format(R"({{"{}":{}}})", field.name, value));
    const auto points = static_cast<double>(documents.size());
    double start = thread_cpu_seconds();
    for (Slot slot = 0; slot < documents.size(); ++slot)
      store.index->add(slot, "", documents[slot]);
    const double added = (thread_cpu_seconds() - start) / points * 1e6;
    const double bytes = static_cast<double>(store.index->memory_bytes()) / points;
    start = thread_cpu_seconds();
    for (Slot slot = 0; slot < documents.size(); slot += 10)
      store.index->remove(slot, "", documents[slot]);
    const double removed = (thread_cpu_seconds() - start) / points * 10 * 1e6;
    fmt::print("{:10} {:10.2f} {:12.2f} {:12.2f}\n", field.name, added, bytes, removed);
  }
}

void measure_filter(const PayloadIndex& index, const std::string& text) {
  const auto filter = Predicate::parse(text);
  CHECK(filter.ok());
  std::vector<double> micros;
  uint64_t slots = 0;
  uint64_t unsure = 0;
  for (int i = 0; i < kRounds; ++i) {
    const double start = wall_seconds();
    const EpochGuard guard;
    const auto answer = index.evaluate(&*filter, "");
    micros.push_back((wall_seconds() - start) * 1e6);
    if (!answer) continue;
    slots = answer->matches.slots.size();
    unsure = answer->matches.unsure.size();
  }
  fmt::print("{:9.1f} {:9.1f} {:8} {:8}  {}\n", percentile(micros, 0.5), percentile(micros, 0.99),
             slots, unsure, text);
}

void run(const std::string& folder, int copies) {
  const std::string dir =
      std::filesystem::temp_directory_path() / fmt::format("filters_bench_{}", ::getpid());
  std::filesystem::create_directories(dir);
  const std::vector<Field> fields = read_fields(folder, copies);
  measure_insertion(dir, fields);

  Store store(dir);
  const size_t points = fields[0].values.size();
  for (Slot slot = 0; slot < points; ++slot) {
    std::string json = "{";
    for (const Field& field : fields) {
      json +=
          fmt::format("{}\"{}\":{}", json.size() > 1 ? "," : "", field.name, field.values[slot]);
    }
    store.index->add(slot, "", json + "}");
  }
  fmt::print("\nall fields: {} points, {:.1f} bytes/point\n", points,
             static_cast<double>(store.index->memory_bytes()) / static_cast<double>(points));
  store.save();
  const double start = wall_seconds();
  store.open();
  const double opened = wall_seconds();
  {
    const auto filter = Predicate::parse(R"({"pos":"verb"})");
    const EpochGuard guard;
    CHECK(store.index->evaluate(&*filter, "") != nullptr);
  }
  fmt::print("open {:.2f} ms, first filter {:.2f} ms, {} bytes on disk\n", (opened - start) * 1e3,
             (wall_seconds() - opened) * 1e3, store.disk_bytes());
  while (store.scrub()) {
  }
  fmt::print("\n{:>9} {:>9} {:>8} {:>8}\n", "p50 us", "p99 us", "slots", "unsure");
  for (
      const char* const filter :
      {R"({"pos":"noun"})", R"({"lexfile":"20"})", R"({"pos":"noun","lexfile":"20"})",
       R"({"$or":[{"pos":"verb"},{"lexfile":"18"}]})", R"({"pos":{"$ne":"noun"}})",
       R"({"pos":{"$in":["verb","adj"]},"$not":{"lexfile":"00"}})", R"({"word":"n12145638-0"})",
       R"({"price":{"$gte":10,"$lt":20}})", R"({"price":{"$lt":500}})",
       R"({"pos":"noun","price":{"$gt":900}})",
       R"({"when":{"$gte":"2010-01-01","$lt":"2011-01-01"}})",
       R"({"at":{"$geo_radius":{"lat":48,"lon":11,"meters":50000}}})",
       R"({"at":{"$geo_radius":{"lat":48,"lon":11,"meters":2000000}}})",
       R"({"at":{"$geo_box":{"top_left":{"lat":60,"lon":0},"bottom_right":{"lat":40,"lon":30}}}})"})
    measure_filter(*store.index, filter);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace ferres::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "filters_bench DATA_SET_FOLDER [COPIES]\n");
    return 2;
  }
  ferres::bench::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 1);
  return 0;
}
