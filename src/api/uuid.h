// Random identifiers (UUID version 4, RFC 9562). Any thread.
#pragma once
#include <string>

namespace ferres {

std::string make_uuid();

}  // namespace ferres
