// A filter, and behind the line break points' metadata, one a line: what the payload index says of
// the documents is what reading them says.
#include <cstdlib>

#include "base/epoch.h"
#include "base/sim_files.h"
#include "json/reader.h"
#include "payload/payload_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferres;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = [&text] {
    const std::string_view found = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), found.size() + 1));
    return std::string(found);
  };
  const Result<Predicate> filter = Predicate::parse(line());
  if (!filter.ok()) return 0;
  SimFiles files(1);
  const auto store = PageStore::open(files, "p", StoreManifest{.family = "index"});
  const auto index = PayloadIndex::open(**store, 4);
  std::vector<std::string> documents;
  while (!text.empty()) {
    std::string body = line();
    const Result<JsonValue> value = parse_body(body);
    Result<std::string> json = value.ok() ? to_json_text(*value) : value.error().clone();
    if (!json.ok()) continue;
    (*index)->add(documents.size(), "", *json);
    documents.push_back(*std::move(json));
  }
  const EpochGuard guard;
  const auto answer = (*index)->evaluate(&*filter, "");
  for (Slot slot = 0; slot < documents.size(); ++slot) {
    const bool found = answer->matches.slots.contains(slot);
    const bool unsure = answer->matches.unsure.contains(slot);
    if (found != filter->matches(documents[slot]) && !unsure) std::abort();
  }
  return 0;
}
