// The clone that becomes criu.
#include "runtime/criu/process.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/fresh_program.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::runtime::criu {
namespace {

// What the clone needs, made before it.
struct Frozen {
  const CriuProcess* process = nullptr;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<UniqueFd> lifted;  // above all numbers that they are to have
  int report = -1;
};

[[noreturn]] void give_up(const Frozen& frozen) {
  const int error = errno;
  (void)!::write(frozen.report, &error, sizeof error);
  ::_exit(127);
}

[[noreturn]] void become(const Frozen& frozen) {
  const CriuProcess& process = *frozen.process;
  // A kernel without keyrings has none to leak.
  if (!process.keyring.empty() && ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, process.keyring.c_str()) < 0 && errno != ENOSYS)
    give_up(frozen);
  if (process.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(frozen);
  for (std::size_t i = 0; i < frozen.lifted.size(); ++i) {
    if (::dup2(frozen.lifted[i].get(), static_cast<int>(i)) < 0) give_up(frozen);
  }
  // All that is left is close-on-exec: the report, and what the caller has open.
  execute_afresh(static_cast<unsigned>(frozen.lifted.size()), process.program.c_str(), frozen.argv.data(), frozen.envp.data());
  give_up(frozen);
}

}  // namespace

Result<sys::Child> start_criu(const CriuProcess& process) {
  Frozen frozen;
  frozen.process = &process;
  const std::vector<std::string> words{"criu", "swrk", "3"};
  frozen.argv = sys::exec_vector(words);
  frozen.envp = sys::exec_vector(process.env);
  const int floor = static_cast<int>(process.descriptors.size());
  for (const int fd : process.descriptors) {
    frozen.lifted.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, floor));
    if (!frozen.lifted.back()) return fail_errno(errno, "duplicate descriptor {} for criu", fd);
  }
  TRY_ASSIGN(sys::Pipe pipe, sys::make_pipe());
  UniqueFd report(::fcntl(pipe.write.get(), F_DUPFD_CLOEXEC, floor));
  if (!report) return fail_errno(errno, "duplicate a pipe for criu");
  pipe.write.reset();
  frozen.report = report.get();
  auto cloned = clone_with_pidfd();
  if (!cloned.ok()) return std::move(cloned).error().within("start '{}'", process.program);
  if (cloned.value().pid == 0) become(frozen);
  sys::Child child(cloned.value().pid, std::move(cloned.value().pidfd));
  report.reset();
  int error = 0;
  const ssize_t n = sys::retry_eintr([&] { return ::read(pipe.read.get(), &error, sizeof error); });
  if (n == static_cast<ssize_t>(sizeof error)) return fail_errno(error, "start '{}'", process.program);
  return child;
}

}  // namespace slipway::runtime::criu
