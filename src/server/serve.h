// A running server from its settings, and its orderly end. Main thread only.
#pragma once
#include <memory>

#include "api/cloud_settings.h"
#include "base/status.h"
#include "db/database.h"
#include "server/settings.h"

namespace ferres {

inline constexpr std::string_view kVersion = FERRES_VERSION;

/// Opens the data folder, listens, serves until SIGINT or SIGTERM, then drains and closes. The two
/// signals must be blocked in every thread before the call. Errors are for the terminal.
Status serve(const Settings& settings);

/// The database in the data folder, with what to do in the errors that a person can mend.
/// `convert`: collections get the form that namespace_physical_isolation says.
Result<std::shared_ptr<Database>> open_database(const Environment& environment,
                                                const Settings& settings, bool convert);
S3Settings s3_settings(const Settings& settings);

}  // namespace ferres
