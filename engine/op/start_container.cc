// StartContainer: its process is made, then let go; a failure of either leaves it EXITED with StartError and 128.
#include "base/log.h"
#include "engine/op/make_container.h"
#include "engine/op/ops.h"
#include "engine/stage_timer.h"
#include "engine/told.h"

namespace slipway::engine {
namespace {

constexpr std::int32_t kStartErrorCode = 128;

// What the runner's attempt looked like as an exit does not matter: the start is what failed.
void record_start_error(Context& context, const ContainerRecord& record, const Error& error) {
  const auto recorded = context.store->update_container(record.id, [&](ContainerRecord& changed) {
    if (changed.finished_at == 0) changed.finished_at = now_realtime();
    changed.state = ContainerState::exited;
    changed.pid = 0;
    changed.exit_code = kStartErrorCode;
    changed.reason = "StartError";
    changed.message = error.message;
  });
  if (!recorded.ok()) log::error("container {}: {}", record.id, recorded.error().message);
}

Result<void> make(Context& context, const ContainerRecord& record, StageTimer& timer, Latest latest) {
  Result<void> made = make_container(context, record, timer, latest);
  if (made.ok()) return made;
  const auto now = context.store->container(record.id);
  if (now && now->state == ContainerState::created) record_start_error(context, record, made.error());  // else it was stopped meanwhile
  if (const auto taken = take_from_monitor(context, record); !taken.ok())
    log::warn("container {}: take it from its monitor: {}", record.id, taken.error().message);
  return made;
}

Result<void> start_locked(Context& context, const ContainerRecord& record, const std::shared_ptr<StageNote>& note) {
  if (record.state != ContainerState::created) return fail(Code::failed_precondition, "it has been started already");
  TRY_ASSIGN(const auto client, context.monitors.find(record.pod_id));
  const MonotonicNanos begun = now_monotonic();
  const Latest latest = std::chrono::steady_clock::now() + context.timeouts.monitor;  // for both: the kubelet waits two minutes
  StageTimer timer(note);
  if (!record.made) TRY(make(context, record, timer, latest));
  timer.begin("start");
  monitor::Request request;
  request.mutable_start()->set_id(record.id);
  const UnixNanos started = now_realtime();
  const Result<MonitorReply> reply = client->call(std::move(request), {}, time_left(latest));
  if (!reply.ok()) {
    record_start_error(context, record, reply.error());
    if (const auto killed = context.cgroups->kill_and_remove(record.cgroup); !killed.ok())
      log::warn("container {}: {}", record.id, killed.error().message);
    return reply.error();
  }
  timer.nest(reply.value().reply.stages());
  tell_container("container started", record, begun);
  return context.store->update_container(record.id, [&](ContainerRecord& changed) {
    changed.started_at = started;
    if (changed.state == ContainerState::created) changed.state = ContainerState::running;  // else it has ended already
    if (changed.state == ContainerState::running && reply.value().reply.pid() != 0) changed.pid = reply.value().reply.pid();
    for (Stage& stage : timer.take()) changed.stages.push_back(std::move(stage));
  });
}

}  // namespace

Result<void> start_container(Context& context, const std::string& id) {
  const auto known = context.store->container(id);
  if (!known) return fail(Code::not_found, "there is no container '{}'", id);
  const auto note = std::make_shared<StageNote>("StartContainer");
  TRY_ASSIGN(const auto guard, context.pod_locks.lock(known->pod_id, context.timeouts.lock, note));
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  return start_locked(context, *record, note).context("start container '{}'", id);
}

}  // namespace slipway::engine
