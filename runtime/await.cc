// await_exec(): whether a started program came to be executed.
#include <cerrno>
#include <cstring>

#include "runtime/init/protocol.h"
#include "runtime/runner.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/process_stat.h"
#include "sys/socket.h"

namespace slipway::runtime {
namespace {

constexpr unsigned long kForkedNoExec = 0x40;  // PF_FORKNOEXEC of include/linux/sched.h, in field 9 of /proc/PID/stat

// A process that ended right after the socket closed: was it the program, or init that died? A zombie still says.
Result<bool> ended_before_exec(pid_t pid) {
  auto stat = sys::read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!stat.ok()) return false;  // reaped already: its status tells
  constexpr unsigned kFlags = 9;
  if (sys::stat_field(stat.value(), kFlags).empty()) return fail(Code::internal, "/proc/{}/stat has an unknown form", pid);
  return (sys::stat_number(stat.value(), kFlags) & kForkedNoExec) != 0;
}

// Ended already, and not by itself: init that ends by itself says why. Of a process that is not our child only its end is to be seen.
Result<bool> may_be_killed(FdRef pidfd) {
  const auto status = sys::peek_pidfd(pidfd);
  if (status.ok()) return status.value() && status.value()->signal != 0;
  if (status.error().sys_errno != ECHILD) return status.error();
  return sys::poll_readable(pidfd, 0);
}

Error describe_late(const init::Message& message) {
  switch (message.step) {
    case init::Step::exec: return errno_error(message.error, "execve");
    case init::Step::seccomp: return errno_error(message.error, "load the seccomp filter");
    case init::Step::start: return errno_error(message.error, "wait for start");
    default: return errno_error(message.error, fmt::format("init's step {}", static_cast<int>(message.step)));
  }
}

}  // namespace

Result<void> await_exec(FdRef sync, bool wait) {
  auto packet = sys::receive_packet(sync, sizeof(init::Message), wait);
  if (!packet.ok() && !wait && packet.error().sys_errno == EAGAIN) return {};
  if (!packet.ok()) return std::move(packet).error();
  if (packet.value().eof) return {};
  init::Message message;
  if (packet.value().data.size() != sizeof message) return fail(Code::internal, "init sent {} bytes", packet.value().data.size());
  std::memcpy(&message, packet.value().data.data(), sizeof message);
  return describe_late(message);
}

Result<void> await_exec(FdRef sync, pid_t pid, FdRef pidfd, bool wait) {
  TRY(await_exec(sync, wait));
  TRY_ASSIGN(const bool killed, may_be_killed(pidfd));
  if (!killed) return {};
  TRY_ASSIGN(const bool too_early, ended_before_exec(pid));
  if (too_early) return fail(Code::aborted, "init was ended before it could execute the program: is the memory limit too low?");
  return {};
}

}  // namespace slipway::runtime
