// Attach: copies of a running container's output, and its input where it has one. The container outlives its client.
#include <fcntl.h>

#include "engine/op/ops.h"
#include "sys/descriptor.h"

namespace slipway::engine {
namespace {

// How far a client may fall behind before it loses output (monitor/attachments.h).
constexpr int kBehind = 1 << 20;

class AttachedStreams final : public ProcessStreams {
 public:
  FdRef ended() const override { return FdRef(-1); }
  Result<std::int32_t> exit_code() const override { return 0; }  // the client was attached to the output, not to the process

  Result<void> start(Context& context, const ContainerRecord& record, const StreamSpec& spec) {
    TRY_ASSIGN(const auto client, context.monitors.find(record.pod_id));
    monitor::Request request;
    monitor::Attach& attach = *request.mutable_attach();
    attach.set_id(record.id);
    attach.set_stdin(spec.in);
    attach.set_stdout(true);  // also where nobody wants it: its end is the container's
    attach.set_stderr(spec.err);
    TRY_ASSIGN(sys::Pipe stdout_pipe, make_output());
    std::vector<int> fds = {stdout_pipe.write.get()};
    sys::Pipe stderr_pipe;
    if (spec.err) {
      TRY_ASSIGN(stderr_pipe, make_output());
      fds.push_back(stderr_pipe.write.get());
    }
    TRY_ASSIGN(MonitorReply reply, client->call(std::move(request), fds, context.timeouts.quick));
    out = std::move(stdout_pipe.read);
    err = std::move(stderr_pipe.read);
    if (reply.fds.empty()) return {};
    if (!reply.reply.tty()) {
      in = std::move(reply.fds[0]);
      return {};
    }
    terminal = std::move(reply.fds[0]);
    if (spec.in) {
      TRY_ASSIGN(in, sys::copy_fd(terminal));
    }
    return {};
  }

 private:
  static Result<sys::Pipe> make_output() {
    TRY_ASSIGN(sys::Pipe pipe, sys::make_pipe());
    TRY(sys::set_nonblocking(pipe.read));
    (void)::fcntl(pipe.write.get(), F_SETPIPE_SZ, kBehind);  // else 64 KiB: it is a courtesy
    return pipe;
  }
};

}  // namespace

Result<std::unique_ptr<ProcessStreams>> attach(Context& context, const std::string& id, const StreamSpec& spec) {
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  if (record->state != ContainerState::running) return fail(Code::failed_precondition, "attach to container '{}': it is not running", id);
  auto streams = std::make_unique<AttachedStreams>();
  TRY(streams->start(context, *record, spec).context("attach to container '{}'", id));
  return std::unique_ptr<ProcessStreams>(std::move(streams));
}

}  // namespace slipway::engine
