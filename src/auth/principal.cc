// The role table of API.md 3.3 and the precedence of grants of 3.4.
#include "auth/principal.h"

#include <algorithm>

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

std::optional<Role> find_role(std::string_view name) {
  for (const Role role : {Role::kViewer, Role::kEditor, Role::kAdmin})
    if (role_name(role) == name) return role;
  return std::nullopt;
}

bool allows(Role role, Permission permission) {
  switch (permission) {
    case Permission::kPublic:
    case Permission::kAny:
    case Permission::kRead:
      return true;
    case Permission::kWrite:
    case Permission::kCreate:
    case Permission::kEditor:
      return role >= Role::kEditor;
    case Permission::kDelete:
    case Permission::kAdmin:
      return role == Role::kAdmin;
  }
  return false;
}

namespace {

bool has(const Grant& grant, Permission permission) {
  if (permission == Permission::kAny || permission == Permission::kPublic) return true;
  return std::find(grant.actions.begin(), grant.actions.end(), permission) != grant.actions.end();
}

}  // namespace

const Grant* Principal::grant_of(std::string_view collection) const {
  const Grant* all = nullptr;
  for (const Grant& grant : limits->grants) {
    if (!grant.collection) {
      if (all == nullptr) all = &grant;
    } else if (*grant.collection == collection) {
      return &grant;
    }
  }
  return all;
}

bool Principal::may(Permission permission, std::string_view collection) const {
  if (!has_grants()) return allows(role, permission);
  const Grant* const grant = grant_of(collection);
  return grant != nullptr && has(*grant, permission);
}

bool Principal::may_somewhere(Permission permission) const {
  if (!has_grants()) return allows(role, permission);
  return std::any_of(limits->grants.begin(), limits->grants.end(),
                     [&](const Grant& grant) { return has(grant, permission); });
}

std::span<const std::string> Principal::namespaces() const {
  return limits ? std::span<const std::string>(limits->namespaces) : std::span<const std::string>();
}

bool Principal::may_enter(std::string_view ns) const {
  const auto allowed = namespaces();
  return allowed.empty() || std::find(allowed.begin(), allowed.end(), ns) != allowed.end();
}

const Restriction* Principal::restriction(std::string_view collection) const {
  if (!has_grants()) return nullptr;
  const Grant* const grant = grant_of(collection);
  return grant != nullptr && grant->restriction ? &*grant->restriction : nullptr;
}

}  // namespace ferres
