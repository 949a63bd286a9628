// The monitor is asked to make what the bundle describes.
#include "engine/op/make_container.h"

#include "engine/op/bundle.h"
#include "engine/op/ops.h"
#include "engine/runtime_handlers.h"

namespace slipway::engine {
namespace {

// Since its creation the container whose PID namespace it joins may have ended.
Result<void> check_target(Context& context, const std::string& id) {
  if (id.empty()) return {};
  const auto target = context.store->container(id);
  if (target && target->state == ContainerState::running) return {};
  return fail(Code::failed_precondition, "namespace_options.target_id: container '{}' is not running any more", id);
}

Result<MonitorReply> hand_to_monitor(Context& context, const ContainerRecord& record, Latest latest) {
  monitor::Request request;
  TRY_ASSIGN(*request.mutable_create(), kept_request(bundle_path(context.paths_of(record.pod_id), record.id)));
  TRY(check_target(context, request.create().pid_of()));
  TRY_ASSIGN(const auto client, context.monitors.find(record.pod_id));
  // Where a start before was killed and its making failed then: the monitor has forgotten it, another runtime has not.
  TRY(delete_in_runtime(record, bundle_path(context.paths_of(record.pod_id), record.id)));
  auto reply = client->call(request, {}, time_left(latest));
  if (reply.ok() || reply.error().code != Code::already_exists) return reply;
  // Of a slipwayd that was killed meanwhile: begun anew.
  TRY(take_from_monitor(context, record).context("what a start that was cut off had begun"));
  return client->call(std::move(request), {}, time_left(latest));
}

}  // namespace

Result<void> make_container(Context& context, const ContainerRecord& record, StageTimer& timer, Latest latest) {
  timer.begin("create");
  TRY_ASSIGN(const MonitorReply reply, hand_to_monitor(context, record, latest));
  timer.nest(reply.reply.stages());
  timer.end();
  bool stopped = false;
  TRY(context.store->update_container(record.id, [&](ContainerRecord& changed) {
    stopped = !is_unmade(changed);
    if (stopped) return;
    changed.made = true;
    changed.pid = reply.reply.pid();
  }));
  if (stopped) return fail(Code::aborted, "it was stopped meanwhile");
  return {};
}

Result<void> take_from_monitor(Context& context, const ContainerRecord& record) {
  TRY(context.cgroups->kill_and_remove(record.cgroup));
  TRY(forget_in_monitor(context, record.pod_id, record.id));
  return delete_in_runtime(record, bundle_path(context.paths_of(record.pod_id), record.id));
}

}  // namespace slipway::engine
