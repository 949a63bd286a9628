// Words of the runtime specification ↔ our values. Internal to the room.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "oci/spec.h"

namespace slipway::oci {

inline constexpr std::array<std::pair<std::string_view, NamespaceType>, 8> kNamespaceNames = {{
    {"pid", NamespaceType::pid},
    {"network", NamespaceType::network},
    {"mount", NamespaceType::mount},
    {"ipc", NamespaceType::ipc},
    {"uts", NamespaceType::uts},
    {"user", NamespaceType::user},
    {"cgroup", NamespaceType::cgroup},
    {"time", NamespaceType::time},
}};

constexpr std::optional<NamespaceType> namespace_type(std::string_view name) {
  for (const auto& [known, type] : kNamespaceNames)
    if (known == name) return type;
  return std::nullopt;
}

constexpr std::string_view namespace_name(NamespaceType type) {
  for (const auto& [name, known] : kNamespaceNames)
    if (known == type) return name;
  return {};
}

}  // namespace slipway::oci
