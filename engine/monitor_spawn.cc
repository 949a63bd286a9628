// Starting a monitor through a read-only handle of its program.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fault.h"
#include "base/weaken.h"
#include "engine/monitor_link.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kMaxReport = 64 * 1024;

// Until the writers are gone or the time is over.
Result<std::string> read_until_end(FdRef fd, std::chrono::steady_clock::time_point deadline) {
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    TRY_ASSIGN(const bool readable, sys::poll_readable(fd, static_cast<int>(std::max<long long>(left, 0))));
    if (!readable) return fail(Code::deadline_exceeded, "the monitor did not say in time that its pod is there");
    const ssize_t n = sys::retry_eintr([&] { return ::read(fd.get(), part.data(), part.size()); });
    if (n < 0) return fail_errno(errno, "read the monitor's report");
    if (n == 0) return text;
    if (text.size() + static_cast<std::size_t>(n) > kMaxReport) return fail(Code::data_loss, "the monitor's report is too long");
    text.append(part.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

Result<MonitorProgram> MonitorProgram::open(const std::string& path) {
  UniqueFd handle(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!handle) return fail_errno(errno, "open the program '{}'", path);
  mount_attr attributes{};
  attributes.attr_set = (weakened(Defence::sealed_program) ? 0 : MOUNT_ATTR_RDONLY) | MOUNT_ATTR_NOSUID;
  if (::syscall(SYS_mount_setattr, handle.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    return fail_errno(errno, "make the handle of '{}' read-only", path);
  // The file, not the mount: that is the root of a mount namespace as long as it is open, and a container with CAP_SYS_PTRACE and
  // CAP_SYS_ADMIN that got at it by /proc/PID/exe of a process on its way in could clear the flag again.
  TRY_ASSIGN(UniqueFd file, sys::open_path(fmt::format("/proc/self/fd/{}", handle.get()), O_PATH));
  return MonitorProgram(std::move(file));
}

Result<monitor::Welcome> MonitorProgram::spawn(const monitor::PodConfig& config, std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  TRY_ASSIGN(const UniqueFd config_fd, sys::memory_file("pod-config", config.SerializeAsString()));
  TRY_ASSIGN(sys::Pipe report, sys::make_pipe());
  sys::SpawnRequest request;
  request.program = "/proc/self/fd/5";  // the handle, in the child
  request.argv = {"slipway-monitor"};
  request.extra = {config_fd.get(), report.write.get(), handle_.get()};
  TRY_ASSIGN(sys::Child child, sys::spawn(request));
  report.write.reset();
  fault::moment("the monitor is started");
  TRY_ASSIGN(const std::string text, read_until_end(report.read, deadline));
  TRY_ASSIGN(const sys::ExitStatus status, child.wait());
  TRY(fault::point("the monitor's report"));
  monitor::Reply reply;
  if (text.empty() || !reply.ParseFromString(text))
    return fail(Code::internal, "the monitor of pod '{}' said nothing, status {}", config.pod_id(), status.code);
  if (reply.code() != 0) return Error{static_cast<Code>(reply.code()), 0, reply.message()}.within("start the monitor");
  return std::move(*reply.mutable_welcome());
}

}  // namespace slipway::engine
