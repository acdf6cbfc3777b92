// Who asks, and what a role may do (API.md 3.3). A plain value that travels with a request; any
// layer above may read it from any thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ferres {

/// In rising order: a role may do what the roles before it may.
enum class Role : uint8_t { kViewer, kEditor, kAdmin };

/// What an operation asks of its caller.
enum class Permission : uint8_t {
  kPublic,  // no credential at all
  kAny,     // any credential
  kRead,
  kWrite,
  kCreate,
  kDelete,
  kAdmin,
};

struct Principal {
  std::string user = "anonymous";
  Role role = Role::kViewer;
};

std::string_view role_name(Role role);
/// The role table.
bool allows(Role role, Permission permission);

}  // namespace ferres
