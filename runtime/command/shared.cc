// What the verbs share.
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "runtime/command/command.h"
#include "runtime/command/sealed_self.h"
#include "runtime/paths.h"
#include "runtime/rootless.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::runtime::command {

Result<void> no_more_than(const Arguments& arguments, std::size_t most) {
  if (arguments.positional.size() <= most) return {};
  return fail(Code::invalid_argument, "argument '{}': nothing is wanted there", arguments.positional[most]);
}

Result<std::string> container_id(const Arguments& arguments, std::size_t most) {
  if (arguments.positional.empty()) return fail(Code::invalid_argument, "the container's id is missing");
  TRY(no_more_than(arguments, most));
  return arguments.positional[0];
}

Result<Found> find_container(const Global& global, const std::string& id) {
  TRY_ASSIGN(StateDir dir, StateDir::open(global.root, id));
  TRY_ASSIGN(auto record, dir.read());
  if (!record) return fail(Code::failed_precondition, "container '{}' is only half made", id);
  return Found{std::move(dir), *std::move(record)};
}

Result<cgroups::Cgroup> open_cgroup(const ContainerRecord& record) {
  if (record.cgroup.empty()) return fail(Code::failed_precondition, "container '{}' has no cgroup of its own", record.id);
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  return cgroups::Cgroup::open(root, record.cgroup);
}

bool must_enter(const Global& global) {
  return !global.within && global.rootless != Rootless::no && is_ordinary_user();
}

Result<void> go_within(const Global& global) {
  std::vector<std::string> words = {"--within"};
  words.insert(words.end(), global.words.begin(), global.words.end());
  return execute_sealed(words);
}

Result<std::string> absolute(std::string_view flag, const std::string& path) {
  if (path.starts_with('/')) return clean_absolute(path, Parents::kept);
  char here[PATH_MAX];
  if (::getcwd(here, sizeof here) == nullptr) return fail_errno(errno, "--{} '{}': the working directory", flag, path);
  return clean_absolute(std::string(here) + "/" + path, Parents::kept);
}

void leave(int status) {
  ::_exit(status);
}

void print(std::string_view text) {
  if (!sys::write_all(FdRef(STDOUT_FILENO), text).ok()) ::_exit(1);  // nobody reads: nothing more to say
}

// A reader sees the whole number or nothing.
Result<void> write_pid_file(const std::string& path, pid_t pid) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  TRY_ASSIGN(const UniqueFd dir, sys::open_path(directory, O_PATH | O_DIRECTORY).context("--pid-file"));
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return sys::replace_file(dir, name, fmt::format("{}", pid), 0644).context("--pid-file");
}

Result<void> end_process(FdRef pidfd) {
  TRY(sys::pidfd_send_signal(pidfd, SIGKILL));
  TRY_ASSIGN(const bool ended, sys::poll_readable(pidfd, kRemoveTimeout));
  if (!ended) return fail(Code::deadline_exceeded, "its process did not end after SIGKILL");
  return {};
}

}  // namespace slipway::runtime::command
