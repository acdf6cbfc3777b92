// See probe.h. With `sure` for slots less unsure: a conjunction is sure where both are, a
// disjunction where one is, and a negation is sure where the condition cannot hold.
#include "filter/probe.h"

namespace ferres {

Matches& Matches::operator&=(const Matches& other) {
  slots &= other.slots;
  if (unsure.empty() && other.unsure.empty()) return *this;
  unsure |= other.unsure;
  unsure &= slots;
  return *this;
}

Matches& Matches::operator|=(const Matches& other) {
  if (unsure.empty() && other.unsure.empty()) {
    slots |= other.slots;
    return *this;
  }
  SlotSet sure = slots;
  sure -= unsure;
  SlotSet other_sure = other.slots;
  other_sure -= other.unsure;
  sure |= other_sure;
  slots |= other.slots;
  unsure = slots;
  unsure -= sure;
  return *this;
}

void Matches::complement(const SlotSet& all) {
  SlotSet others = all;
  if (unsure.empty()) {
    others -= slots;
  } else {
    SlotSet sure = slots;
    sure -= unsure;
    others -= sure;
  }
  slots = std::move(others);
}

void Matches::doubt(const SlotSet& doubted) {
  SlotSet more = doubted;
  more &= slots;
  unsure |= more;
}

}  // namespace ferres
