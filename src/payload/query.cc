// See query.h. Places: the Earth is cut into cells, quarter by quarter, until each lies inside of
// the area, outside, or is small; cells inside are taken whole, the places of small ones are looked
// at one by one. Places that lie so near to the edge that the key's rounding could decide are left
// to the document.
#include "payload/query.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace ferres {
namespace {

enum class Where : uint8_t { kInside, kOutside, kEdge };

constexpr size_t kEdgeCellsMax = 128;
constexpr uint32_t kCellLevelMax = 22;  // 5 m by 10 m

/// Against rounding: of keys (5 mm) and of the distance formula near the antipode.
constexpr double kMarginMeters = 1;
constexpr double kMarginDegrees = 1e-7;

struct CircleArea {
  GeoPoint center;
  double meters = 0;

  Where of(const GeoPoint& place) const { return within(place, 0); }
  Where of(const GeoCell& cell) const {
    constexpr double kEarthRadiusMeters = 6371008.8;
    constexpr double kRadians = std::numbers::pi / 180;
    const GeoPoint low = cell.low();
    const GeoPoint high = cell.high();
    // No place of the cell is farther from its middle than half its height and half its width on
    // the equator together: go along the meridian, then along the parallel.
    const double reach =
        kEarthRadiusMeters * kRadians * ((high.lat - low.lat) + (high.lon - low.lon)) / 2;
    return within({(low.lat + high.lat) / 2, (low.lon + high.lon) / 2}, reach);
  }

 private:
  Where within(const GeoPoint& place, double reach) const {
    const double distance = distance_meters(place, center);
    if (distance + reach + kMarginMeters <= meters) return Where::kInside;
    return distance - reach - kMarginMeters > meters ? Where::kOutside : Where::kEdge;
  }
};

struct BoxArea {
  /// The box does not cross longitude 180. Edges on the border of the map leave nothing behind
  /// them.
  explicit BoxArea(const GeoBox& of) : box_(of) {
    if (box_.top_left.lat >= 90) box_.top_left.lat = 91;
    if (box_.bottom_right.lat <= -90) box_.bottom_right.lat = -91;
    if (box_.top_left.lon <= -180) box_.top_left.lon = -181;
    if (box_.bottom_right.lon >= 180) box_.bottom_right.lon = 181;
  }

  Where of(const GeoPoint& place) const { return of(place, place); }
  Where of(const GeoCell& cell) const { return of(cell.low(), cell.high()); }

 private:
  GeoBox box_;

  Where of(const GeoPoint& low, const GeoPoint& high) const {
    const GeoPoint south_west{box_.bottom_right.lat, box_.top_left.lon};
    const GeoPoint north_east{box_.top_left.lat, box_.bottom_right.lon};
    if (low.lat > north_east.lat + kMarginDegrees || high.lat < south_west.lat - kMarginDegrees ||
        low.lon > north_east.lon + kMarginDegrees || high.lon < south_west.lon - kMarginDegrees) {
      return Where::kOutside;
    }
    const bool inside =
        low.lat >= south_west.lat + kMarginDegrees && high.lat <= north_east.lat - kMarginDegrees &&
        low.lon >= south_west.lon + kMarginDegrees && high.lon <= north_east.lon - kMarginDegrees;
    return inside ? Where::kInside : Where::kEdge;
  }
};

Mark mark_of(FilterIndex::Shape shape) {
  switch (shape) {
    case FilterIndex::Shape::kOnlyNull:
      return Mark::kOnlyNull;
    case FilterIndex::Shape::kArray:
      return Mark::kArray;
    case FilterIndex::Shape::kSeveral:
      return Mark::kSeveral;
    default:
      return Mark::kPresent;
  }
}

}  // namespace

PayloadQuery::PayloadQuery(const PayloadIndex& index) : index_(index), view_(*index.blocks_) {
  const PayloadIndex::Look look = PayloadIndex::look(view_);
  seed_ = look.seed;
  all_fields_ = look.all_fields;
}

SlotSet PayloadQuery::set_of(const TermKey& key) const {
  SlotSet set;
  StoredSets::read(view_, TermTree::find(view_, PayloadIndex::kRootOffset, key), set);
  return set;
}

const SlotSet& PayloadQuery::all() const {
  if (!all_) all_ = set_of(mark_key(kSystemField, Mark::kAll));
  return *all_;
}

FilterIndex::Knows PayloadQuery::find_field(std::string_view name, uint32_t* field) const {
  *field = TermTree::find(view_, PayloadIndex::kRootOffset,
                          text_key(kSystemField, TermType::kField, name, seed_));
  if (*field != TermTree::kNone) return Knows::kField;
  return all_fields_ ? Knows::kAbsent : Knows::kNothing;
}

SlotSet PayloadQuery::shaped(uint32_t field, Shape shape) const {
  return set_of(mark_key(field, mark_of(shape)));
}

bool PayloadQuery::indexed(uint32_t field, TermType type) const {
  return (index_.dropped_types(field) >> static_cast<uint8_t>(type) & 1) == 0;
}

Matches PayloadQuery::unknown(uint32_t field) const {
  return Matches::perhaps(shaped(field, Shape::kPresent));
}

void PayloadQuery::read_range(const TermKey& from, const TermKey& to, SlotSet& into) const {
  TermTree::scan(view_, PayloadIndex::kRootOffset, from, to, [&](const TermKey&, uint32_t word) {
    if ((word & StoredSets::kBlockFlag) == 0) {
      into.add(word);
    } else {
      StoredSets::read(view_, word, into);
    }
    return true;
  });
}

Matches PayloadQuery::equal(uint32_t field, const Operand& scalar) const {
  switch (scalar.type) {
    case JsonType::kNull:
      return Matches::exactly(set_of(mark_key(field, Mark::kNull)));
    case JsonType::kBool:
      return Matches::exactly(set_of(mark_key(field, scalar.boolean ? Mark::kTrue : Mark::kFalse)));
    case JsonType::kNumber:
      if (!indexed(field, TermType::kNumber)) return unknown(field);
      return Matches::exactly(set_of(number_key(field, scalar.number)));
    case JsonType::kString:
      if (!indexed(field, TermType::kText)) return unknown(field);
      return Matches::exactly(set_of(text_key(field, TermType::kText, scalar.text, seed_)));
    default:
      return unknown(field);
  }
}

Matches PayloadQuery::numbers(uint32_t field, const Bounds<JsonNumber>& bounds) const {
  if (!indexed(field, TermType::kNumber)) return unknown(field);
  TermKey from = first_key(field, TermType::kNumber);
  TermKey to = last_key(field, TermType::kNumber);
  if (bounds.from) {
    from = number_key(field, bounds.from->value);
    if (!bounds.from->included) from = next(from);
  }
  if (bounds.to) {
    to = number_key(field, bounds.to->value);
    if (!bounds.to->included) to = previous(to);
  }
  Matches matches;
  read_range(from, to, matches.slots);
  return matches;
}

Matches PayloadQuery::instants(uint32_t field, const Bounds<Instant>& bounds) const {
  if (!indexed(field, TermType::kInstant)) return unknown(field);
  TermKey from = first_key(field, TermType::kInstant);
  TermKey to = last_key(field, TermType::kInstant);
  if (bounds.from) {
    from = instant_key(field, bounds.from->value);
    if (!bounds.from->included) from = next(from);
  }
  if (bounds.to) {
    to = instant_key(field, bounds.to->value);
    if (!bounds.to->included) to = previous(to);
  }
  Matches matches;
  read_range(from, to, matches.slots);
  return matches;
}

template <class Area>
Matches PayloadQuery::in_area(uint32_t field, const Area& area) const {
  if (!indexed(field, TermType::kPlace)) return unknown(field);
  SlotSet sure;
  std::vector<GeoCell> edge{GeoCell{}};
  for (uint32_t level = 0; level < kCellLevelMax && !edge.empty(); ++level) {
    std::vector<GeoCell> finer;
    for (const GeoCell& cell : edge) {
      for (uint32_t quarter = 0; quarter < 4; ++quarter) {
        const GeoCell child = cell.child(quarter);
        const Where where = area.of(child);
        if (where == Where::kEdge) finer.push_back(child);
        if (where == Where::kInside) read_range(child.first(field), child.last(field), sure);
      }
    }
    edge = std::move(finer);
    if (edge.size() > kEdgeCellsMax) break;
  }
  Matches matches;
  for (const GeoCell& cell : edge) {
    TermTree::scan(view_, PayloadIndex::kRootOffset, cell.first(field), cell.last(field),
                   [&](const TermKey& key, uint32_t word) {
                     const Where where = area.of(place_of(key));
                     if (where != Where::kOutside) {
                       StoredSets::read(view_, word,
                                        where == Where::kInside ? sure : matches.unsure);
                     }
                     return true;
                   });
  }
  matches.unsure -= sure;
  matches.slots = std::move(sure);
  matches.slots |= matches.unsure;
  return matches;
}

Matches PayloadQuery::in_circle(uint32_t field, const GeoPoint& center, double meters) const {
  return in_area(field, CircleArea{center, meters});
}

Matches PayloadQuery::in_box(uint32_t field, const GeoBox& box) const {
  if (box.top_left.lon <= box.bottom_right.lon) return in_area(field, BoxArea{box});
  GeoBox west = box;
  west.top_left.lon = -180;
  GeoBox east = box;
  east.bottom_right.lon = 180;
  Matches matches = in_area(field, BoxArea{west});
  matches |= in_area(field, BoxArea{east});
  return matches;
}

std::optional<SlotSet> PayloadQuery::in_namespace(std::string_view ns) const {
  if (!indexed(kSystemField, TermType::kNamespace)) return std::nullopt;
  return set_of(text_key(kSystemField, TermType::kNamespace, ns, seed_));
}

}  // namespace ferres
