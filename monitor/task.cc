// Forking for one piece of work.
#include "monitor/task.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <limits>

#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace slipway::monitor {
namespace {

constexpr std::size_t kMaxOutcome = 16 * 1024;
constexpr std::size_t kMaxMessage = 4096;

// A container shall inherit default signals and an empty mask, whatever the monitor has set for itself.
void reset_signals() {
  // By system call: the C library refuses to touch 32 and 33, which its posix_spawn left ignored.
  constexpr std::array<unsigned long, 4> kDefault{};  // the kernel's struct sigaction: handler, flags, restorer, mask
  for (int signal = 1; signal < NSIG; ++signal) (void)::syscall(SYS_rt_sigaction, signal, kDefault.data(), nullptr, sizeof(unsigned long));
  sigset_t none;
  sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void reset_oom_score(const Origin& origin) {
  if (origin.oom_score_adj.empty()) return;
  auto fd = sys::open_path("/proc/self/oom_score_adj", O_WRONLY);
  if (fd.ok()) (void)sys::write_all(fd.value(), origin.oom_score_adj);
}

[[noreturn]] void run_child(const Origin& origin, std::vector<int> keep, int socket, const Task::Work& work) {
  if (origin.host_network >= 0 && ::setns(origin.host_network, CLONE_NEWNET) != 0) ::_exit(1);  // the monitor reads an end without a word
  keep.push_back(socket);
  close_all_but(std::move(keep));
  reset_signals();
  reset_oom_score(origin);
  Outcome outcome;
  work(outcome);
  outcome.reply.set_id(1);  // an empty message would be an empty packet, which reads as the end
  std::vector<int> fds;
  for (const UniqueFd& fd : outcome.fds) fds.push_back(fd.get());
  std::string data;
  outcome.reply.SerializeToString(&data);
  const bool sent = sys::send_packet(FdRef(socket), data, fds).ok();
  ::_exit(sent ? 0 : 1);
}

}  // namespace

void add_stage(Reply& reply, const char* name, MonotonicNanos begun) {
  Stage* stage = reply.add_stages();
  stage->set_name(name);
  stage->set_start(begun);
  stage->set_duration(now_monotonic() - begun);
}

void set_error(Reply& reply, const Error& error) {
  reply.set_code(static_cast<std::uint32_t>(error.code));
  reply.set_message(error.message.substr(0, kMaxMessage));
}

void settle(const Result<void>& result, Outcome& outcome) {
  if (result.ok()) return;
  outcome.fds.clear();
  set_error(outcome.reply, result.error());
}

Error to_error(const Reply& reply) {
  return Error{static_cast<Code>(reply.code()), 0, reply.message()};
}

void close_all_but(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned first = 3;
  for (const int fd : keep) {
    if (fd < static_cast<int>(first)) continue;
    if (static_cast<unsigned>(fd) > first) (void)::close_range(first, static_cast<unsigned>(fd) - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  (void)::close_range(first, ~0U, 0);
}

Result<std::unique_ptr<Task>> Task::fork_child(const Origin& origin, std::span<const int> keep, const Work& work) {
  TRY_ASSIGN(auto pair, sys::seqpacket_pair());
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) run_child(origin, {keep.begin(), keep.end()}, pair.second.get(), work);
  pair.second.reset();
  std::unique_ptr<Task> task(new Task);
  task->socket_ = std::move(pair.first);
  TRY_ASSIGN(task->pidfd_, sys::pidfd_open(pid));
  return task;
}

Result<std::unique_ptr<Task>> Task::start(Loop& loop, const Origin& origin, std::span<const int> keep, MonotonicNanos deadline,
                                          const Work& work, Done done) {
  TRY_ASSIGN(std::unique_ptr<Task> task, fork_child(origin, keep, work));
  task->deadline_ = deadline;
  task->done_ = std::move(done);
  TRY(task->watch_.start(loop, task->socket_, EPOLLIN, [at = task.get()](std::uint32_t) { at->on_ready(); }));
  return task;
}

Result<Outcome> Task::run(const Origin& origin, std::span<const int> keep, const Work& work) {
  TRY_ASSIGN(const std::unique_ptr<Task> task, fork_child(origin, keep, work));
  Outcome outcome = task->receive(true);
  (void)sys::wait_pidfd(task->pidfd_);
  task->pidfd_.reset();
  if (outcome.reply.code() != 0) return to_error(outcome.reply);
  return outcome;
}

Task::~Task() {
  watch_.stop();
  if (pidfd_.valid()) (void)sys::pidfd_send_signal(pidfd_, SIGKILL);
}

void Task::expire() {
  if (expired_) return;
  expired_ = true;
  deadline_ = std::numeric_limits<MonotonicNanos>::max();
  (void)sys::pidfd_send_signal(pidfd_, SIGKILL);
}

Outcome Task::receive(bool wait) {
  Outcome outcome;
  auto packet = sys::receive_packet(socket_, kMaxOutcome, wait);
  if (packet.ok() && !packet.value().eof && outcome.reply.ParseFromString(packet.value().data)) {
    outcome.fds = std::move(packet.value().fds);
    return outcome;
  }
  // No word: the child has died, or is dying right now.
  (void)sys::pidfd_send_signal(pidfd_, SIGKILL);
  const auto status = sys::wait_pidfd(pidfd_);
  if (expired_)
    set_error(outcome.reply, fail(Code::deadline_exceeded, "the forked runner did not end in time"));
  else
    set_error(outcome.reply,
              fail(Code::internal, "the forked runner ended without a word, status {}", status.ok() ? status.value().code : -1));
  return outcome;
}

void Task::on_ready() {
  watch_.stop();
  Outcome outcome = receive(false);
  pidfd_.reset();  // it has said all it had to: nothing to kill
  const Done done = std::move(done_);
  done(std::move(outcome));  // `this` may be gone now
}

}  // namespace slipway::monitor
