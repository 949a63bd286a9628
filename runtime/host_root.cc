// Mounts in the runtime's own mount namespace.
#include "runtime/host_root.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <charconv>

#include "runtime/mount_plan.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

// Of the directory itself without a path. 0: nothing is mounted there.
Result<std::uint64_t> mount_at(FdRef directory, const std::string& path) {
  struct statx st = {};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (path.empty() ? AT_EMPTY_PATH : 0);
  if (::statx(directory.get(), path.c_str(), flags, STATX_MNT_ID, &st) != 0) return fail_errno(errno, "statx '{}'", path);
  if ((st.stx_mask & STATX_MNT_ID) == 0 || (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0)
    return fail(Code::failed_precondition, "this kernel does not tell which mount is at '{}'", path);
  return (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 ? std::uint64_t{st.stx_mnt_id} : std::uint64_t{0};
}

}  // namespace

Result<bool> keeps_our_mounts(const oci::Spec& spec) {
  const oci::Namespace* mounts = find_namespace(spec, oci::NamespaceType::mount);
  if (mounts == nullptr || mounts->path.empty()) return mounts == nullptr;
  TRY_ASSIGN(const UniqueFd theirs, sys::open_namespace(mounts->path, CLONE_NEWNS).context("linux.namespaces 'mount'"));
  TRY_ASSIGN(const UniqueFd ours, sys::open_namespace("/proc/self/ns/mnt", CLONE_NEWNS));
  TRY_ASSIGN(const unsigned long their_id, sys::namespace_id(theirs));
  TRY_ASSIGN(const unsigned long our_id, sys::namespace_id(ours));
  return their_id == our_id;
}

Result<HostRoot> plan_host_root(const std::string& path, FdRef root) {
  HostRoot out;
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return fail_errno(errno, "root.path '{}'", path);
  out.path = resolved;
  if (out.path == "/") return fail(Code::invalid_argument, "root.path '{}': the host's own root, and linux.namespaces has no mount", path);
  TRY_ASSIGN(out.mount, mount_at(root, ""));
  return out;
}

Result<void> unmount_host_root(const HostRoot& root) {
  auto there = mount_at(FdRef(AT_FDCWD), root.path);
  if (!there.ok() && there.error().sys_errno == ENOENT) return {};
  if (!there.ok()) return std::move(there).error();
  if (there.value() != root.mount) return {};
  if (::umount2(root.path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) return fail_errno(errno, "unmount '{}'", root.path);
  return {};
}

std::string write_host_root(const HostRoot& root) {
  return fmt::format("{} {}", root.mount, root.path);
}

Result<HostRoot> parse_host_root(std::string_view text) {
  HostRoot out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.mount);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || out.mount == 0 || text.substr(length, 2) != " /")
    return fail(Code::data_loss, "host-root: '{}' is no number and path", text.substr(0, 200));
  out.path = text.substr(length + 1);
  return out;
}

}  // namespace slipway::runtime
