// The shared credentials file that other tools keep for S3 (~/.aws/credentials): sections of
// profiles with lines "name = value". Pure functions.
#pragma once
#include <string>
#include <string_view>

#include "base/status.h"

namespace ferres {

struct S3Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: the keys are not temporary
};

/// kNotFound when the profile is not there or has no keys. No message repeats what the file holds.
Result<S3Credentials> parse_credentials(std::string_view text, std::string_view profile);

}  // namespace ferres
