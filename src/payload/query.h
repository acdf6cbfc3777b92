// One query's look at a payload index: answers a filter's probes with sets. Made under the query's
// epoch guard, used by one thread. Damage that it meets is remembered: the answer is then void.
#pragma once
#include <cstdint>
#include <string_view>

#include "filter/probe.h"
#include "payload/payload_index.h"

namespace ferres {

class PayloadQuery final : public FilterIndex {
 public:
  explicit PayloadQuery(const PayloadIndex& index);

  const SlotSet& all() const override;
  Knows find_field(std::string_view name, uint32_t* field) const override;
  SlotSet shaped(uint32_t field, Shape shape) const override;
  Matches equal(uint32_t field, const Operand& scalar) const override;
  Matches numbers(uint32_t field, const Bounds<JsonNumber>& bounds) const override;
  Matches instants(uint32_t field, const Bounds<Instant>& bounds) const override;
  Matches in_circle(uint32_t field, const GeoPoint& center, double meters) const override;
  Matches in_box(uint32_t field, const GeoBox& box) const override;

  /// Nothing when namespaces are not indexed any more.
  std::optional<SlotSet> in_namespace(std::string_view ns) const;
  SlotSet irregular() const { return set_of(mark_key(kSystemField, Mark::kIrregular)); }
  bool damaged() const { return view_.damaged(); }

 private:
  bool indexed(uint32_t field, TermType type) const;
  Matches unknown(uint32_t field) const;
  SlotSet set_of(const TermKey& key) const;
  void read_range(const TermKey& from, const TermKey& to, SlotSet& into) const;
  template <class Area>
  Matches in_area(uint32_t field, const Area& area) const;

  const PayloadIndex& index_;
  const BlockView view_;
  uint64_t seed_ = 0;
  bool all_fields_ = true;  // false: there are fields beyond the limit
  mutable std::optional<SlotSet> all_;
};

}  // namespace ferres
