// Exec: a process in a running container with its streams in a client's hands; it does not outlive its client.
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "base/ids.h"
#include "base/weaken.h"
#include "engine/exec_process.h"
#include "engine/op/ops.h"
#include "sys/descriptor.h"

namespace slipway::engine {
namespace {

class ExecStreams final : public ProcessStreams {
 public:
  ExecStreams(Context& context, const ContainerRecord& record) : context_(context), container_(record.id), id_(make_id()) {}
  ~ExecStreams() override {
    if (started_ && !told() && !weakened(Defence::exec_ends)) kill_exec(context_, *client_, id_, container_);
    context_.execs.close(id_);
  }
  ExecStreams(const ExecStreams&) = delete;
  ExecStreams& operator=(const ExecStreams&) = delete;

  FdRef ended() const override { return session_->ended; }
  Result<std::int32_t> exit_code() const override {
    const std::lock_guard lock(session_->mutex);
    if (session_->exit_code) return *session_->exit_code;
    return fail(Code::unavailable, "the pod's monitor went away meanwhile");
  }

  Result<void> start(const ContainerRecord& record, const StreamSpec& spec) {
    TRY_ASSIGN(client_, context_.monitors.find(record.pod_id));
    TRY_ASSIGN(session_, context_.execs.open(id_, record.pod_id));
    TRY_ASSIGN(const UniqueFd process, exec_process(context_, record, spec.command, spec.tty));
    return spec.tty ? start_terminal(process) : start_pipes(process, spec);
  }

 private:
  bool told() const {
    const std::lock_guard lock(session_->mutex);
    return session_->exit_code || session_->lost;
  }

  monitor::Request request() const {
    monitor::Request request;
    request.mutable_exec()->set_id(id_);
    request.mutable_exec()->set_container_id(container_);
    request.mutable_exec()->set_process_fd(true);
    request.mutable_exec()->set_part(true);
    return request;
  }

  Result<MonitorReply> call(monitor::Request what, std::span<const int> fds) {
    auto reply = client_->call(std::move(what), fds, context_.timeouts.monitor);
    // After a time-out it may yet start: the destructor's kill meets it or finds nothing.
    started_ = reply.ok() || reply.error().code == Code::deadline_exceeded;
    return reply;
  }

  Result<void> start_pipes(FdRef process, const StreamSpec& spec) {
    monitor::Request what = request();
    std::vector<int> fds = {process.get()};
    sys::Pipe stdin_pipe, stdout_pipe, stderr_pipe;
    if (spec.in) {
      TRY_ASSIGN(stdin_pipe, sys::make_pipe());
      TRY(sys::set_nonblocking(stdin_pipe.write));
      fds.push_back(stdin_pipe.read.get());
      what.mutable_exec()->set_has_stdin(true);
    }
    if (spec.out) {
      TRY_ASSIGN(stdout_pipe, sys::make_pipe());
      TRY(sys::set_nonblocking(stdout_pipe.read));
      fds.push_back(stdout_pipe.write.get());
      what.mutable_exec()->set_has_stdout(true);
    }
    if (spec.err) {
      TRY_ASSIGN(stderr_pipe, sys::make_pipe());
      TRY(sys::set_nonblocking(stderr_pipe.read));
      fds.push_back(stderr_pipe.write.get());
      what.mutable_exec()->set_has_stderr(true);
    }
    TRY(call(std::move(what), fds));
    in = std::move(stdin_pipe.write);
    out = std::move(stdout_pipe.read);
    err = std::move(stderr_pipe.read);
    return {};
  }

  Result<void> start_terminal(FdRef process) {
    monitor::Request what = request();
    what.mutable_exec()->set_tty(true);
    const std::array<int, 1> fds = {process.get()};
    TRY_ASSIGN(MonitorReply reply, call(std::move(what), fds));
    if (reply.fds.size() != 1) return fail(Code::internal, "the monitor gave {} descriptors for a terminal", reply.fds.size());
    terminal = std::move(reply.fds[0]);
    TRY(sys::set_nonblocking(terminal));
    TRY_ASSIGN(in, sys::copy_fd(terminal));
    TRY_ASSIGN(out, sys::copy_fd(terminal));
    return {};
  }

  Context& context_;
  const std::string container_;
  const std::string id_;
  bool started_ = false;
  std::shared_ptr<MonitorClient> client_;
  std::shared_ptr<ExecSessions::Session> session_;
};

}  // namespace

Result<std::unique_ptr<ProcessStreams>> exec(Context& context, const std::string& id, const StreamSpec& spec) {
  if (spec.command.empty()) return fail(Code::invalid_argument, "exec in container '{}': no command", id);
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  if (record->state != ContainerState::running) return fail(Code::failed_precondition, "exec in container '{}': it is not running", id);
  auto streams = std::make_unique<ExecStreams>(context, *record);
  TRY(streams->start(*record, spec).context("exec in container '{}'", id));
  return std::unique_ptr<ProcessStreams>(std::move(streams));
}

}  // namespace slipway::engine
