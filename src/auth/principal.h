// Who asks, and what they may do (API.md 3.3 to 3.5). Plain values that travel with a request; what
// they point at never changes. Any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
  kEditor,  // the role editor or above, whatever was granted
};

std::string_view role_name(Role role);
std::optional<Role> find_role(std::string_view name);
/// The role table.
bool allows(Role role, Permission permission);

/// Only points whose metadata field has one of some values.
struct Restriction {
  std::string field;
  std::string values_json;  // an array

  bool operator==(const Restriction&) const = default;
};

/// What is allowed on one collection, or on those that have no grant of their own.
struct Grant {
  std::optional<std::string> collection;  // none: all
  std::vector<Permission> actions;        // of kRead to kAdmin
  std::optional<Restriction> restriction;

  bool operator==(const Grant&) const = default;
};

struct Limits {
  std::vector<std::string> namespaces;  // empty: all
  std::vector<Grant> grants;            // empty: as the role says

  bool operator==(const Limits&) const = default;
};

/// An admin may do everything. Of others with grants, the one of a collection counts, else the one
/// of all, and where there is neither nothing is allowed; without grants the role's table counts.
class Principal {
 public:
  std::string user = "anonymous";
  Role role = Role::kViewer;
  std::string account;                   // "api_key:ID" or "user:ID", never given out twice
  std::shared_ptr<const Limits> limits;  // null: none
  std::optional<uint64_t> expires_at;    // of its key, Unix seconds

  bool may(Permission permission, std::string_view collection) const;
  /// On some collection.
  bool may_somewhere(Permission permission) const;
  /// Those that it may enter; empty: all.
  std::span<const std::string> namespaces() const;
  bool may_enter(std::string_view ns) const;
  /// Of the points that it may read in a collection; null: none.
  const Restriction* restriction(std::string_view collection) const;
  /// Nothing in the collection is hidden from it.
  bool sees_all(std::string_view collection) const {
    return namespaces().empty() && restriction(collection) == nullptr;
  }

 private:
  bool has_grants() const { return role != Role::kAdmin && limits && !limits->grants.empty(); }
  const Grant* grant_of(std::string_view collection) const;
};

}  // namespace ferres
