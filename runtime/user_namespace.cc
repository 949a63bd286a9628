// Id maps, and user namespaces that hold them.
#include "runtime/user_namespace.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "runtime/mount_plan.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

bool same(const std::vector<oci::IdMapping>& a, const std::vector<oci::IdMapping>& b) {
  return std::ranges::equal(a, b, [](const oci::IdMapping& x, const oci::IdMapping& y) {
    return x.container_id == y.container_id && x.host_id == y.host_id && x.size == y.size;
  });
}

Result<std::uint32_t> translate(const std::vector<oci::IdMapping>& mappings, std::uint32_t id, const char* what) {
  for (const oci::IdMapping& m : mappings) {
    if (id >= m.container_id && id - m.container_id < m.size) return m.host_id + (id - m.container_id);
  }
  return fail(Code::invalid_argument, "{} {} is not mapped in the user namespace", what, id);
}

Result<IdMaps> maps_of(const sys::IdMapTexts& texts) {
  IdMaps maps;
  TRY_ASSIGN(maps.uids, parse_map_text(texts.uids));
  TRY_ASSIGN(maps.gids, parse_map_text(texts.gids));
  return maps;
}

}  // namespace

bool operator==(const IdMaps& a, const IdMaps& b) {
  return same(a.uids, b.uids) && same(a.gids, b.gids);
}

Result<std::uint32_t> UserNamespace::host_uid(std::uint32_t id) const {
  return translate(maps_.uids, id, "user");
}

Result<std::uint32_t> UserNamespace::host_gid(std::uint32_t id) const {
  return translate(maps_.gids, id, "group");
}

std::string to_map_text(const std::vector<oci::IdMapping>& mappings) {
  std::string text;
  for (const oci::IdMapping& m : mappings) text += fmt::format("{} {} {}\n", m.container_id, m.host_id, m.size);
  return text;
}

Result<std::vector<oci::IdMapping>> parse_map_text(const std::string& text) {
  std::vector<oci::IdMapping> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto skip = [&](std::string_view what) {
    while (at < end && what.find(*at) != std::string_view::npos) ++at;
  };
  for (skip(" \n"); at < end; skip(" \n")) {
    oci::IdMapping m;
    for (std::uint32_t* number : {&m.container_id, &m.host_id, &m.size}) {
      skip(" ");
      const auto read = std::from_chars(at, end, *number);
      if (read.ec != std::errc()) return fail(Code::internal, "'{}' is no id map", text);
      at = read.ptr;
    }
    out.push_back(m);
  }
  return out;
}

Result<UserNamespace> make_user_namespace(IdMaps maps) {
  TRY_ASSIGN(UniqueFd fd, sys::make_user_namespace(to_map_text(maps.uids), to_map_text(maps.gids)));
  return UserNamespace(std::move(fd), std::move(maps));
}

Result<std::optional<UserNamespace>> plan_user_namespace(const oci::Spec& spec) {
  const oci::Namespace* ns = find_namespace(spec, oci::NamespaceType::user);
  if (ns == nullptr) return std::optional<UserNamespace>{};
  IdMaps maps{spec.linux_.uid_mappings, spec.linux_.gid_mappings};
  if (ns->path.empty()) {
    auto made = make_user_namespace(std::move(maps));
    if (!made.ok()) return std::move(made).error().within("linux.namespaces 'user'");
    return std::optional<UserNamespace>(std::move(made).take());
  }
  auto fd = sys::open_namespace(ns->path, CLONE_NEWUSER);
  if (!fd.ok()) return std::move(fd).error().within("linux.namespaces 'user'");
  if (maps.empty()) {
    TRY_ASSIGN(const sys::IdMapTexts texts, sys::read_id_maps(fd.value()));
    TRY_ASSIGN(maps, maps_of(texts));
  }
  return std::optional<UserNamespace>(UserNamespace(std::move(fd).take(), std::move(maps)));
}

Result<std::optional<UserNamespace>> user_namespace_of(pid_t pid, unsigned long* ours) {
  TRY_ASSIGN(const bool same, sys::shares_namespace(pid, "user", ours));
  if (same) return std::optional<UserNamespace>{};
  TRY_ASSIGN(const sys::IdMapTexts texts, sys::read_id_maps(pid));
  TRY_ASSIGN(IdMaps maps, maps_of(texts));
  return std::optional<UserNamespace>(UserNamespace({}, std::move(maps)));
}

}  // namespace slipway::runtime
