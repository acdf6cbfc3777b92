// What a payload index says to a filter.
#pragma once
#include "filter/probe.h"

namespace ferres {

struct PayloadAnswer {
  Matches matches;
  bool namespace_sure = true;  // false: the records must confirm the namespace
};

}  // namespace ferres
