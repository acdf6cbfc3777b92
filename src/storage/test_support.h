// What the tests of this folder share.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/random.h"
#include "storage/log.h"

namespace ferres {

/// An empty folder of this test process, removed with what is in it when the process ends.
inline std::string fresh_dir(const std::string& name) {
  struct Root {
    std::filesystem::path dir =
        std::filesystem::temp_directory_path() / ("ferres_storage_" + std::to_string(::getpid()));
    ~Root() { std::filesystem::remove_all(dir); }
  };
  static const Root root;
  const auto dir = root.dir / name;
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir.string();
}

/// Records with their payloads, LSNs dense from the first.
class LogRecords {
 public:
  struct Record {
    Lsn lsn = 0;
    uint64_t unix_micros = 0;
    uint8_t op = 0;
    std::string payload;
    bool operator==(const Record&) const = default;
  };

  /// Makes and keeps `count` further records; they are valid until the next add().
  std::vector<LogRecord> add(Random& random, size_t count, size_t bytes_max) {
    const size_t first = records_.size();
    for (size_t i = 0; i < count; ++i) {
      Record record;
      record.lsn = records_.empty() ? 1 : records_.back().lsn + 1;
      record.unix_micros = last_micros() + 1 + random.below(1000);
      record.op = static_cast<uint8_t>(random.below(256));
      record.payload.resize(random.below(bytes_max + 1));
      for (char& c : record.payload)
        c = static_cast<char>(random.next());
      records_.push_back(std::move(record));
    }
    return views(first);
  }
  void drop_last(size_t count) { records_.resize(records_.size() - count); }

  LogVisitor visitor() {
    return [this](const LogRecord& record) {
      records_.push_back(
          {record.lsn, record.unix_micros, record.op, std::string(as_text(record.payload))});
      return Status();
    };
  }
  LogRecords between(Lsn from, Lsn to) const {
    LogRecords part;
    for (const Record& record : records_)
      if (record.lsn >= from && record.lsn <= to) part.records_.push_back(record);
    return part;
  }
  size_t size() const { return records_.size(); }
  uint64_t last_micros() const { return records_.empty() ? 0 : records_.back().unix_micros; }
  const std::vector<Record>& all() const { return records_; }
  bool operator==(const LogRecords&) const = default;

 private:
  std::vector<LogRecord> views(size_t first) const {
    std::vector<LogRecord> out;
    for (size_t i = first; i < records_.size(); ++i) {
      const Record& record = records_[i];
      out.push_back({record.lsn, record.unix_micros, record.op, as_bytes(record.payload)});
    }
    return out;
  }

  std::vector<Record> records_;
};

}  // namespace ferres
