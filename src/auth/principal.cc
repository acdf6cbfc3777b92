// The role table of API.md 3.3.
#include "auth/principal.h"

namespace ferres {

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kEditor:
      return "editor";
    case Role::kAdmin:
      return "admin";
  }
  return "viewer";
}

bool allows(Role role, Permission permission) {
  switch (permission) {
    case Permission::kPublic:
    case Permission::kAny:
    case Permission::kRead:
      return true;
    case Permission::kWrite:
    case Permission::kCreate:
      return role >= Role::kEditor;
    case Permission::kDelete:
    case Permission::kAdmin:
      return role == Role::kAdmin;
  }
  return false;
}

}  // namespace ferres
