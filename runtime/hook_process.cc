// The clone that becomes a hook.
#include "runtime/hook_process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/fresh_program.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/namespace.h"
#include "sys/process.h"

namespace slipway::runtime {
namespace {

// What the clone needs, made before it.
struct Frozen {
  const HookProcess* process = nullptr;
  std::vector<char*> argv;
  std::vector<char*> envp;
  int report = -1;
};

enum class Failed : int { namespaces, identity, directory, stdio, exec };
constexpr std::string_view kSentences[] = {"enter the container's namespaces", "become root in its user namespace",
                                           "change to the bundle's directory", "set the standard descriptors", "execute it"};

struct Report {
  Failed step;
  int error;
};

[[noreturn]] void give_up(const Frozen& frozen, Failed step) {
  const Report report{step, errno};
  (void)!::write(frozen.report, &report, sizeof report);
  ::_exit(127);
}

[[noreturn]] void become(const Frozen& frozen) {
  const HookProcess& process = *frozen.process;
  (void)::setpgid(0, 0);
  if (process.namespaces != 0) {
    if (::setns(process.pidfd, process.namespaces) != 0) give_up(frozen, Failed::namespaces);
    const bool own_users = (process.namespaces & CLONE_NEWUSER) != 0;
    if (own_users && (::syscall(SYS_setresgid, 0, 0, 0) != 0 || ::syscall(SYS_setresuid, 0, 0, 0) != 0)) give_up(frozen, Failed::identity);
  }
  if (::chdir(process.directory.c_str()) != 0) give_up(frozen, Failed::directory);
  const int input = ::fcntl(process.input, F_DUPFD_CLOEXEC, 3);  // out of each other's way
  const int output = ::fcntl(process.output, F_DUPFD_CLOEXEC, 3);
  if (::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0) give_up(frozen, Failed::stdio);
  execute_afresh(3, process.path.c_str(), frozen.argv.data(), frozen.envp.data());
  give_up(frozen, Failed::exec);
}

// Children of this process are born into another PID namespace while this lives; the process itself stays.
class BirthPlace {
 public:
  Result<void> set(FdRef pidfd) {
    TRY_ASSIGN(home_, sys::open_path("/proc/self/ns/pid", O_RDONLY));
    return sys::join_namespace(pidfd, CLONE_NEWPID);
  }
  Result<void> back() {
    if (!home_) return {};
    const UniqueFd home = std::move(home_);
    return sys::join_namespace(home, CLONE_NEWPID);
  }
  ~BirthPlace() { (void)back(); }

 private:
  UniqueFd home_;
};

}  // namespace

Result<sys::Child> start_hook(const HookProcess& process) {
  Frozen frozen;
  frozen.process = &process;
  const std::vector<std::string> path{process.path};
  frozen.argv = sys::exec_vector(process.args.empty() ? path : process.args);
  frozen.envp = sys::exec_vector(process.env);
  TRY_ASSIGN(sys::Pipe report_pipe, sys::make_pipe());
  frozen.report = report_pipe.write.get();
  BirthPlace birth;
  if (process.own_pids) TRY(birth.set(FdRef(process.pidfd)));
  TRY_ASSIGN(Cloned cloned, clone_with_pidfd());
  if (cloned.pid == 0) become(frozen);
  sys::Child child(cloned.pid, std::move(cloned.pidfd));
  TRY(birth.back());
  report_pipe.write.reset();
  Report report{};
  const ssize_t n = sys::retry_eintr([&] { return ::read(report_pipe.read.get(), &report, sizeof report); });
  if (n == static_cast<ssize_t>(sizeof report)) return fail_errno(report.error, "{}", kSentences[static_cast<int>(report.step)]);
  return child;
}

}  // namespace slipway::runtime
