// A running server from its settings, and its orderly end. Main thread only.
#pragma once
#include "base/status.h"
#include "server/settings.h"

namespace ferres {

inline constexpr std::string_view kVersion = FERRES_VERSION;

/// Opens the data folder, listens, serves until SIGINT or SIGTERM, then drains and closes. The two
/// signals must be blocked in every thread before the call. Errors are for the terminal.
Status serve(const Settings& settings);

}  // namespace ferres
