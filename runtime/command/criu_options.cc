// Flags into criu's options.
#include "runtime/command/criu_options.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/criu/session.h"
#include "runtime/hooks.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr const char* kScratch = "criu";

Result<criu::CgroupMode> cgroup_mode(const std::string& word) {
  if (word.empty() || word == "soft") return criu::CgroupMode::soft;
  if (word == "full") return criu::CgroupMode::full;
  if (word == "strict") return criu::CgroupMode::strict;
  if (word == "ignore") return criu::CgroupMode::ignore;
  return fail(Code::invalid_argument, "--manage-cgroups-mode: '{}' is none of soft, full, strict, ignore", word);
}

Result<criu::NetworkLock> network_lock(const std::string& word) {
  if (word.empty()) return criu::NetworkLock::unset;
  if (word == "iptables") return criu::NetworkLock::iptables;
  if (word == "nftables") return criu::NetworkLock::nftables;
  if (word == "skip") return criu::NetworkLock::skip;
  return fail(Code::invalid_argument, "--network-lock: '{}' is none of iptables, nftables, skip", word);
}

// Memory that follows over the network needs a page server, and somebody who keeps it.
Result<void> refuse_lazy(const Arguments& arguments) {
  for (const char* flag : {"lazy-pages", "page-server", "status-fd"}) {
    if (arguments.has(flag)) return fail(Code::unimplemented, "--{}: pages over the network are not supported", flag);
  }
  return {};
}

Result<std::string> real_path(const std::string& flag, const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return fail_errno(errno, "--{} '{}'", flag, path);
  return std::string(resolved);
}

}  // namespace

Result<criu::Options> criu_options(const Arguments& arguments, const oci::Spec& spec) {
  TRY(refuse_lazy(arguments));
  criu::Options options;
  options.tcp_established = arguments.has("tcp-established");
  options.tcp_skip_in_flight = arguments.has("tcp-skip-in-flight");
  options.tcp_close = arguments.has("tcp-close");
  options.ext_unix_sk = arguments.has("ext-unix-sk");
  options.shell_job = arguments.has("shell-job");
  options.file_locks = arguments.has("file-locks");
  options.link_remap = arguments.has("link-remap");
  options.auto_dedup = arguments.has("auto-dedup");
  options.lsm_profile = arguments.value("lsm-profile");
  options.lsm_mount_context = arguments.value("lsm-mount-context");
  TRY_ASSIGN(options.cgroup_mode, cgroup_mode(arguments.value("manage-cgroups-mode")));
  TRY_ASSIGN(options.network_lock, network_lock(arguments.value("network-lock")));
  for (const std::string& name : arguments.values("empty-ns")) {
    if (name != "network") return fail(Code::invalid_argument, "--empty-ns: '{}' is not 'network', which alone can be left empty", name);
    options.empty_namespaces = CLONE_NEWNET;
  }
  if (has_create_hooks(spec)) options.empty_namespaces = CLONE_NEWNET;
  return options;
}

Result<std::string> criu_program(const Global& global, const Arguments& arguments) {
  if (::geteuid() != 0) return fail(Code::permission_denied, "criu dumps and restores containers as root alone");
  return criu::find_program(arguments.value("criu", global.criu));
}

Result<CriuDirectories> open_criu_directories(const Arguments& arguments, bool make) {
  CriuDirectories out;
  const std::string images = arguments.value("image-path", "checkpoint");
  if (make) TRY(sys::make_directories(images, 0700).context("--image-path"));
  TRY_ASSIGN(out.paths.log_path, real_path("image-path", images));
  TRY_ASSIGN(out.images, sys::open_path(out.paths.log_path, O_RDONLY | O_DIRECTORY).context("--image-path"));
  out.paths.images = out.images.get();
  if (!arguments.has("work-path")) return out;
  TRY(sys::make_directories(arguments.value("work-path"), 0700).context("--work-path"));
  TRY_ASSIGN(out.paths.log_path, real_path("work-path", arguments.value("work-path")));
  TRY_ASSIGN(out.work, sys::open_path(out.paths.log_path, O_RDONLY | O_DIRECTORY).context("--work-path"));
  out.paths.work = out.work.get();
  return out;
}

Result<Scratch> Scratch::make(const Global& global, const std::string& id) {
  TRY_ASSIGN(const std::string parent_path, real_path("root", global.root + "/" + id));
  TRY_ASSIGN(UniqueFd parent, sys::open_path(parent_path, O_PATH | O_DIRECTORY));
  TRY(sys::remove_tree(parent, kScratch));  // of an operation that was killed
  if (::mkdirat(parent.get(), kScratch, 0700) != 0) return fail_errno(errno, "make '{}/{}'", parent_path, kScratch);
  return Scratch(std::move(parent), parent_path + "/" + kScratch);
}

Scratch::~Scratch() {
  if (parent_) (void)sys::remove_tree(parent_, kScratch);
}

}  // namespace slipway::runtime::command
