// StopContainer: the stop signal, the grace, SIGKILL. A second call joins the first and may shorten the grace.
//
// No lock is held while the grace runs: the pod may be stopped meanwhile, which ends the wait.
#include <csignal>

#include "base/log.h"
#include "engine/events.h"
#include "engine/op/ops.h"
#include "engine/spec/signals.h"

namespace slipway::engine {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLateExit = std::chrono::seconds(1);  // the monitor's own word about an exit is the better one

bool exited(const ContainerRecord& record) {
  return record.state == ContainerState::exited;
}

monitor::Request to_init(const ContainerRecord& record, int number) {
  monitor::Request request;
  request.mutable_signal()->set_id(record.id);
  request.mutable_signal()->set_signal(static_cast<std::uint32_t>(number));
  return request;
}

Result<void> send(Context& context, const ContainerRecord& record, monitor::Request request) {
  TRY_ASSIGN(const auto client, context.monitors.find(record.pod_id));
  const auto sent = client->call(std::move(request), {}, context.timeouts.quick);
  return sent.ok() ? Result<void>{} : Result<void>(sent.error());
}

Result<void> stop(Context& context, const std::string& id, const Stops::Deadline& deadline) {
  const auto record = context.store->container(id);
  if (!record || exited(*record)) return {};
  // A container that was never started has nobody to hear the signal.
  if (record->state == ContainerState::running && deadline.get() > Clock::now()) {
    TRY_ASSIGN(const int number, parse_signal(record->stop_signal));
    monitor::Request request = to_init(*record, number);
    request.mutable_signal()->set_once(true);
    TRY(send(context, *record, std::move(request)));
    for (;;) {
      const auto until = deadline.get();
      const auto seen =
          context.store->wait_container(id, until, [&](const ContainerRecord& r) { return exited(r) || deadline.get() < until; });
      if (!seen || exited(*seen)) return {};
      if (deadline.get() <= Clock::now()) break;
    }
  }
  return kill_container(context, *record);
}

}  // namespace

Result<void> kill_container(Context& context, const ContainerRecord& record) {
  if (end_unmade(context, record.id)) return {};
  monitor::Request request = to_init(record, SIGKILL);
  request.mutable_signal()->set_all(true);
  const Result<void> sent = send(context, record, std::move(request));
  if (!sent.ok()) {
    log::warn("kill container {}: {}; by its cgroup now", record.id, sent.error().message);
    TRY(context.cgroups->kill_and_remove(record.cgroup));
    // No process of it is left, whoever may or may not tell so: a monitor that hangs must not keep the pod from its end.
    const auto told = context.store->wait_container(record.id, Clock::now() + kLateExit, exited);
    if (told && !exited(*told)) record_lost_exit(context, record.id, 137, "Error", "killed by its cgroup: its monitor does not answer");
  }
  const auto seen = context.store->wait_container(record.id, Clock::now() + context.timeouts.kill, exited);
  if (seen && !exited(*seen))
    return fail(Code::deadline_exceeded, "container '{}' was killed and has not ended in {} ms", record.id, context.timeouts.kill.count());
  return {};
}

Result<void> stop_container(Context& context, const std::string& id, std::chrono::seconds grace) {
  const auto known = context.store->container(id);
  if (!known || exited(*known)) return {};
  const auto act = [&](const Stops::Deadline& deadline) { return stop(context, id, deadline); };
  return context.stops.join(id, Clock::now() + grace, act, [&] { context.store->wake(); }).context("stop container '{}'", id);
}

}  // namespace slipway::engine
