// Facts come up: what a monitor tells, applied to the records; and what is done when a monitor goes away.
//
// Hooks run on the monitor client's thread and only record and wake; a loss is settled by a chore.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/context.h"

namespace slipway::engine {

MonitorHooks make_hooks(Context& context, const std::string& pod_id);

// Idempotent: a container that has ended stays as it is.
Result<void> record_exit(Context& context, const std::string& container_id, const monitor::ExitRecord& exit);
void record_lost_exit(Context& context, const std::string& container_id, std::int32_t code, const char* reason, const std::string& message);
// Of a container that is files alone, whoever may be making its process right now: he finds it ended. False: it is not such a one.
bool end_unmade(Context& context, const std::string& container_id);

// What the monitor says of all its containers, against the records.
Result<void> reconcile(Context& context, const std::string& pod_id, const monitor::Welcome& welcome);

// Connects again where the monitor lives; else ends the pod: exit records from disk, cgroup.kill, NotReady with MonitorLost.
// A monitor that is there and does not answer is an error: the pod stays as it is. The pod's lock is held by the caller.
Result<void> adopt_or_lose(Context& context, const std::string& pod_id);

// adopt_or_lose in the background, until it is settled.
void settle_monitor_later(Context& context, const std::string& pod_id);

}  // namespace slipway::engine
