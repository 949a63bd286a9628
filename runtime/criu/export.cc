// Freeze, dump, read the root, thaw, pack.
#include "runtime/criu/export.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/undo.h"
#include "cgroups/cgroup.h"
#include "oci/json.h"
#include "runtime/criu/changes.h"
#include "runtime/criu/dump.h"
#include "runtime/criu/tar_writer.h"
#include "sys/file.h"

namespace slipway::runtime::criu {
namespace {

constexpr int kFreezeTimeout = 10'000;  // ms
constexpr const char* kImages = "checkpoint";
constexpr const char* kChanges = "rootfs-diff.tar";

// The directory above and the name in it.
std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t at = path.rfind('/');
  return {path.substr(0, at), path.substr(at + 1)};
}

Result<UniqueFd> make_directory(FdRef parent, const std::string& name) {
  if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) return fail_errno(errno, "make '{}'", name);
  return sys::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<void> run_dump(const ExportRequest& request, FdRef scratch) {
  TRY_ASSIGN(const UniqueFd images, make_directory(scratch, kImages));
  TRY_ASSIGN(const UniqueFd own, make_directory(scratch, "scratch"));
  DumpRequest dump;
  dump.program = request.program;
  dump.record = request.record;
  dump.spec = request.spec;
  dump.pidfd = request.pidfd;
  dump.directories.images = images.get();
  dump.directories.work = scratch.get();
  dump.directories.log_path = request.scratch;
  dump.directories.scratch = request.scratch + "/scratch";
  dump.deadline = request.deadline;
  // What containers of pods are known to have: connections to elsewhere, locks, terminals that the monitor holds.
  dump.options.leave_running = true;
  dump.options.tcp_established = true;
  dump.options.ext_unix_sk = true;
  dump.options.file_locks = true;
  dump.options.link_remap = true;
  dump.options.shell_job = request.spec->process && request.spec->process->terminal;
  return criu::dump(dump);
}

Result<std::vector<std::string>> read_root(const ExportRequest& request, FdRef scratch) {
  TRY_ASSIGN(const UniqueFd file, sys::open_at(scratch, kChanges, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TarWriter out{FdRef(file.get())};
  return write_changes(request.upper, request.lower, out).context("what the container changed in its root");
}

std::string to_json(const std::vector<std::string>& paths) {
  std::string out = "[";
  for (const std::string& path : paths) {
    if (out.size() > 1) out += ',';
    oci::json::append_quoted(out, path);
  }
  return out + "]";
}

Result<void> add_file(TarWriter& out, FdRef directory, const std::string& name, const std::string& as) {
  TRY_ASSIGN(const UniqueFd file, sys::open_at(directory, name, O_RDONLY | O_NOFOLLOW));
  TarMember member;
  member.path = as;
  if (::fstat(file.get(), &member.st) != 0) return fail_errno(errno, "stat '{}'", as);
  if (!S_ISREG(member.st.st_mode)) return {};
  return out.add(member, file);
}

Result<void> add_images(TarWriter& out, FdRef scratch) {
  TRY_ASSIGN(const UniqueFd images, sys::open_at(scratch, kImages, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TarMember member;
  member.path = kImages;
  if (::fstat(images.get(), &member.st) != 0) return fail_errno(errno, "stat '{}'", kImages);
  TRY(out.add(member));
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(images));
  for (const std::string& name : names) TRY(add_file(out, images, name, std::string(kImages) + "/" + name));
  return {};
}

Result<void> pack(const ExportRequest& request, FdRef scratch, const std::vector<std::string>& deleted) {
  TarWriter out{FdRef(request.archive)};
  TRY(out.add_text("config.dump", request.config_dump));
  TRY(out.add_text("spec.dump", request.spec_dump));
  TRY(add_images(out, scratch));
  TRY(add_file(out, scratch, kChanges, kChanges));
  if (!deleted.empty()) TRY(out.add_text("deleted.files", to_json(deleted)));
  for (const char* name : {"dump.log", "stats-dump"}) {
    auto added = add_file(out, scratch, name, name);
    if (!added.ok() && added.error().code != Code::not_found) return added;
  }
  return out.finish();
}

Result<std::vector<std::string>> take(const ExportRequest& request, FdRef scratch) {
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(const cgroups::Cgroup cgroup, cgroups::Cgroup::open(root, request.record->cgroup));
  Undo undo;
  TRY(undo.add("thaw the container", [&cgroup] { return cgroup.thaw(kFreezeTimeout); }));
  TRY(cgroup.freeze(kFreezeTimeout));
  TRY(run_dump(request, scratch));
  return read_root(request, scratch);
}

}  // namespace

Result<void> remove_scratch(const std::string& scratch) {
  const auto [above, name] = split(scratch);
  auto parent = sys::open_path(above, O_RDONLY | O_DIRECTORY);
  if (!parent.ok()) return parent.error().code == Code::not_found ? Result<void>{} : Result<void>(std::move(parent).error());
  return sys::remove_tree(parent.value(), name);
}

Result<void> export_checkpoint(const ExportRequest& request) {
  TRY(remove_scratch(request.scratch));
  const auto [above, name] = split(request.scratch);
  TRY_ASSIGN(const UniqueFd parent, sys::open_path(above, O_RDONLY | O_DIRECTORY));
  Undo undo;
  TRY(undo.add("remove the images", [&request] { return remove_scratch(request.scratch); }));
  TRY_ASSIGN(const UniqueFd scratch, make_directory(parent, name));
  TRY_ASSIGN(const std::vector<std::string> deleted, take(request, scratch));
  return pack(request, scratch, deleted).context("checkpoint archive");
}

}  // namespace slipway::runtime::criu
