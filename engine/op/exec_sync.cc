// ExecSync: a process in a running container, its output read here, its end told by the monitor's event.
//
//   pipes here ── write ends ──▶ monitor ──▶ the process        Both outputs are drained all the time; beyond 16 MiB each is dropped.
//   The end is the process's, not the pipes': a grandchild that holds one open changes nothing.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/ids.h"
#include "base/weaken.h"
#include "engine/exec_process.h"
#include "engine/op/ops.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kOutputLimit = 16U << 20;
constexpr std::size_t kPipeLimit = 1U << 20;  // a pipe holds at most this (fs.pipe-max-size): what was written before the end

class Output {
 public:
  explicit Output(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }
  std::string take() { return std::move(text_); }

  // Up to `limit` bytes of what is there now; at the end of the stream it closes.
  void drain(std::size_t limit) {
    std::array<char, 65536> buffer;
    while (fd_ && limit > 0) {
      const ssize_t n = sys::retry_eintr([&] { return ::read(fd_.get(), buffer.data(), buffer.size()); });
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        fd_.reset();
        return;
      }
      const auto size = static_cast<std::size_t>(n);
      text_.append(buffer.data(), weakened(Defence::exec_output) ? size : std::min(size, kOutputLimit - text_.size()));
      limit -= std::min(limit, size);
    }
  }

 private:
  UniqueFd fd_;
  std::string text_;
};

class ExecSync {
 public:
  ExecSync(Context& context, const ContainerRecord& record, std::chrono::seconds timeout)
      : context_(context), record_(record), id_(make_id()), has_deadline_(timeout.count() > 0), deadline_(Clock::now() + timeout) {}
  ~ExecSync() { context_.execs.close(id_); }
  ExecSync(const ExecSync&) = delete;
  ExecSync& operator=(const ExecSync&) = delete;

  Result<ExecOutput> operator()(const std::vector<std::string>& command) {
    TRY_ASSIGN(client_, context_.monitors.find(record_.pod_id));
    TRY_ASSIGN(session_, context_.execs.open(id_, record_.pod_id));
    TRY_ASSIGN(sys::Pipe out, sys::make_pipe());
    TRY_ASSIGN(sys::Pipe err, sys::make_pipe());
    TRY(sys::set_nonblocking(out.read));
    TRY(sys::set_nonblocking(err.read));
    TRY(start(command, out.write, err.write));
    out.write.reset();  // else the end of the stream never comes
    err.write.reset();
    return wait(Output(std::move(out.read)), Output(std::move(err.read)));
  }

 private:
  Result<void> start(const std::vector<std::string>& command, FdRef out, FdRef err) {
    TRY_ASSIGN(const UniqueFd process, exec_process(context_, record_, command, false));
    monitor::Request request;
    monitor::Exec& exec = *request.mutable_exec();
    exec.set_id(id_);
    exec.set_container_id(record_.id);
    exec.set_process_fd(true);
    exec.set_has_stdout(true);
    exec.set_has_stderr(true);
    const std::array<int, 3> fds = {process.get(), out.get(), err.get()};
    const auto reply = client_->call(std::move(request), fds, context_.timeouts.monitor);
    if (!reply.ok()) return reply.error();
    return {};
  }

  Result<ExecOutput> wait(Output out, Output err) {
    for (;;) {
      std::array<pollfd, 3> polled = {{{out.fd(), POLLIN, 0}, {err.fd(), POLLIN, 0}, {session_->ended.get(), POLLIN, 0}}};
      const int n = ::poll(polled.data(), polled.size(), remaining_ms());
      if (n < 0 && errno != EINTR) return fail_errno(errno, "poll");
      if (n == 0 && has_deadline_ && Clock::now() >= deadline_) return time_is_up();
      const bool ended = n > 0 && polled[2].revents != 0;
      if (n > 0 && polled[0].revents != 0) out.drain(kPipeLimit);
      if (n > 0 && polled[1].revents != 0) err.drain(kPipeLimit);
      if (has_deadline_ && !ended && Clock::now() >= deadline_) return time_is_up();  // output without end does not put it off
      if (!ended) continue;
      out.drain(kPipeLimit);  // what it wrote last
      err.drain(kPipeLimit);
      const std::lock_guard lock(session_->mutex);
      if (!session_->exit_code) return fail(Code::unavailable, "the pod's monitor went away meanwhile");
      return ExecOutput{out.take(), err.take(), *session_->exit_code};
    }
  }

  int remaining_ms() const {
    if (!has_deadline_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 3600 * 1000));
  }

  Error time_is_up() {
    kill_exec(context_, *client_, id_, record_.id);
    return fail(Code::deadline_exceeded, "the command did not end in time and was killed");
  }

  Context& context_;
  const ContainerRecord& record_;
  const std::string id_;
  const bool has_deadline_;
  const Clock::time_point deadline_;
  std::shared_ptr<MonitorClient> client_;
  std::shared_ptr<ExecSessions::Session> session_;
};

}  // namespace

Result<ExecOutput> exec_sync(Context& context, const std::string& id, const std::vector<std::string>& command,
                             std::chrono::seconds timeout) {
  if (command.empty()) return fail(Code::invalid_argument, "exec in container '{}': no command", id);
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  if (record->state != ContainerState::running) return fail(Code::failed_precondition, "exec in container '{}': it is not running", id);
  return ExecSync(context, *record, timeout)(command).context("exec in container '{}'", id);
}

}  // namespace slipway::engine
