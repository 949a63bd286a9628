// The operations of the engine, one file each: linear, blocking, with Undo. Any thread; they take the locks they need.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/undo.h"
#include "engine/context.h"

namespace slipway::engine {

Result<std::string> run_pod(Context& context, PodSpec spec);
Result<void> stop_pod(Context& context, const std::string& id);
Result<void> remove_pod(Context& context, const std::string& id);
Result<std::string> create_container(Context& context, const std::string& pod_id, ContainerSpec spec);
Result<void> start_container(Context& context, const std::string& id);
Result<void> stop_container(Context& context, const std::string& id, std::chrono::seconds grace);
Result<void> remove_container(Context& context, const std::string& id);
Result<ExecOutput> exec_sync(Context& context, const std::string& id, const std::vector<std::string>& command,
                             std::chrono::seconds timeout);
Result<std::unique_ptr<ProcessStreams>> exec(Context& context, const std::string& id, const StreamSpec& spec);
Result<std::unique_ptr<ProcessStreams>> attach(Context& context, const std::string& id, const StreamSpec& spec);
Result<UniqueFd> dial(Context& context, const std::string& pod_id, std::uint32_t port);
// `timeout` 0: two minutes.
Result<void> checkpoint_container(Context& context, const std::string& id, const std::string& location, std::chrono::seconds timeout);
Result<void> reopen_log(Context& context, const std::string& id);
Result<void> update_resources(Context& context, const std::string& id, const LinuxResources& patch);
Result<void> update_pod_resources(Context& context, const std::string& id, const LinuxResources& overhead, const LinuxResources& resources);
Result<ContainerUsage> container_usage(Context& context, const std::string& id);
Result<PodUsage> pod_usage(Context& context, const std::string& id, UsageDetail detail);

// Parts that other operations need; the pod's lock is held by the caller.
Result<void> stop_pod_locked(Context& context, const std::string& id, StageNote& note);
Result<void> remove_container_locked(Context& context, const ContainerRecord& record);
// Monitor's entry, cgroup, writable layer, bundle and record of one that has ended, or was never committed.
Result<void> remove_container_files(Context& context, const ContainerRecord& record);
// The monitor reaps a moment after a kill: asked again for a while where it says that the process has not ended yet.
Result<void> forget_in_monitor(Context& context, const std::string& pod_id, const std::string& container_id);
// SIGKILL to every process of a container, and its exit awaited.
Result<void> kill_container(Context& context, const ContainerRecord& record);
// Ends the monitor: containers, namespaces, socket. No monitor = ok.
Result<void> shut_monitor_down(Context& context, const PodRecord& pod);

// Runs the steps and says which failed.
void run_undo(Undo& undo, const std::string& what);

}  // namespace slipway::engine
