// newuidmap(1), newgidmap(1), and the way in.
#include "runtime/rootless.h"

#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "runtime/mount_plan.h"
#include "runtime/user_namespace.h"
#include "sys/file.h"
#include "sys/namespace.h"
#include "sys/process.h"

namespace slipway::runtime {
namespace {

constexpr int kToolTimeout = 30'000;  // ms: they may ask a directory service who we are
constexpr std::size_t kWordsLimit = 64 << 10;
constexpr std::size_t kMostQuoted = 4096;

// What the kernel lets anybody do: its own id, alone (user_namespaces(7)).
bool is_own_id(const std::vector<oci::IdMapping>& mappings, std::uint32_t own) {
  return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == own;
}

Result<void> run_tool(const std::string& name, const char* field, pid_t pid, const std::vector<oci::IdMapping>& mappings) {
  const std::string program = sys::find_program(name, ::getenv("PATH") ?: "/usr/bin:/bin:/usr/sbin:/sbin");
  if (program.empty())
    return fail(Code::failed_precondition, "{}: more than a user's own id needs {}, which is not here (package uidmap)", field, name);
  sys::SpawnRequest request;
  request.program = program;
  request.argv = {name, fmt::format("{}", pid)};
  for (const oci::IdMapping& m : mappings)
    for (const std::uint32_t number : {m.container_id, m.host_id, m.size}) request.argv.push_back(fmt::format("{}", number));
  TRY_ASSIGN(const sys::Ran ran, sys::run_to_end(std::move(request), kToolTimeout, kWordsLimit).context("{}", field));
  if (ran.status.code == 0) return {};
  return fail(Code::permission_denied, "{}: {} ended with {}: {}", field, name, ran.status.code,
              trim(ran.said, "\n").substr(0, kMostQuoted));
}

Result<void> write_maps(pid_t pid, const IdMaps& maps) {
  if (is_own_id(maps.uids, ::geteuid())) {
    TRY(sys::write_id_map(pid, "uid_map", to_map_text(maps.uids)));
  } else {
    TRY(run_tool("newuidmap", "linux.uidMappings", pid, maps.uids));
  }
  if (!is_own_id(maps.gids, ::getegid())) return run_tool("newgidmap", "linux.gidMappings", pid, maps.gids);
  // Or one could leave a group that a file's mode shuts out.
  TRY(sys::write_id_map(pid, "setgroups", "deny"));
  return sys::write_id_map(pid, "gid_map", to_map_text(maps.gids));
}

// Its state directory would be somebody else's otherwise, with its record unreadable for its maker.
Result<void> check_own_root(const IdMaps& maps) {
  const std::uint32_t own = ::geteuid();
  const bool first =
      std::ranges::any_of(maps.uids, [&](const oci::IdMapping& m) { return m.container_id == 0 && m.size > 0 && m.host_id == own; });
  if (first) return {};
  return fail(Code::invalid_argument, "linux.uidMappings: without privileges the container's id 0 has to be your own, {}", own);
}

Result<void> become_root_in(FdRef user_namespace) {
  TRY(sys::join_namespace(user_namespace, CLONE_NEWUSER));
  if (::syscall(SYS_setresgid, 0, 0, 0) != 0 || ::syscall(SYS_setresuid, 0, 0, 0) != 0)
    return fail_errno(errno, "become root in the user namespace: is id 0 mapped?");
  return {};
}

}  // namespace

bool is_ordinary_user() {
  return ::getauxval(AT_EUID) != 0;
}

Result<void> enter_new_container(const oci::Spec& spec) {
  const oci::Namespace* ns = find_namespace(spec, oci::NamespaceType::user);
  if (ns == nullptr)
    return fail(
        Code::invalid_argument,
        "linux.namespaces: without root's privileges a user namespace is needed (slipway spec --rootless writes such a config.json)");
  UniqueFd fd;
  if (ns->path.empty()) {
    const IdMaps maps{spec.linux_.uid_mappings, spec.linux_.gid_mappings};
    TRY(check_own_root(maps));
    TRY_ASSIGN(fd, sys::make_user_namespace([&](pid_t pid) { return write_maps(pid, maps); }));
  } else {
    TRY_ASSIGN(fd, sys::open_namespace(ns->path, CLONE_NEWUSER).context("linux.namespaces 'user'"));
  }
  TRY(become_root_in(fd).context("linux.namespaces 'user'"));
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "make a mount namespace");
  return {};
}

Result<void> enter_container(FdRef pidfd) {
  return become_root_in(pidfd).context("the container's user namespace");
}

oci::Spec without_user_namespace(oci::Spec spec) {
  std::erase_if(spec.linux_.namespaces, [](const oci::Namespace& ns) { return ns.type == oci::NamespaceType::user; });
  spec.linux_.uid_mappings.clear();
  spec.linux_.gid_mappings.clear();
  return spec;
}

}  // namespace slipway::runtime
