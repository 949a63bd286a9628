// The engine's face: what cri/ and slipwayd's main call. One blocking call per CRI verb; any thread.
//
// Calls of one pod are serialised by a keyed lock; reads come from an immutable snapshot and never wait for an operation.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cgroups/stats.h"
#include "engine/open_files.h"
#include "engine/pod_events.h"
#include "engine/ports.h"
#include "engine/process_facts.h"
#include "engine/process_streams.h"
#include "engine/runtime_handlers.h"
#include "engine/spec/annotations.h"
#include "engine/types.h"
#include "sys/link_counters.h"

namespace slipway::engine {

struct EngineOptions {
  std::string root;   // /var/lib/slipway: slipway.db, containers/
  std::string state;  // /run/slipway: pods/
  std::string netns_directory = "/run/netns";
  std::string monitor_program;  // path of slipway-monitor
  std::string cgroup_driver;    // "cgroupfs" or "systemd"
  std::string seccomp_localhost_root = "/var/lib/kubelet/seccomp";
  std::string criu_program;                                                 // empty: "criu" in PATH
  std::vector<std::string> cdi_directories = {"/etc/cdi", "/var/run/cdi"};  // a later one's devices count
  AnnotationPolicy annotations;
  unsigned most_relabelling = 8;        // calls at once that relabel a volume or wait for that; fewer than may run at all
  bool monitors_enter_network = false;  // new monitors are in their pods' network namespaces, for who reads /proc/MONITOR/net
  RuntimeHandlers runtimes;
};

// An immutable record, which one snapshot after another shares until it changes. Implicit: it is what it stands for.
template <class Record>
class Held {
 public:
  Held(Record record) : record_(std::make_shared<const Record>(std::move(record))) {}  // NOLINT(google-explicit-constructor)
  operator const Record&() const { return *record_; }                                  // NOLINT(google-explicit-constructor)
  const Record& operator*() const { return *record_; }
  const Record* operator->() const { return record_.get(); }

 private:
  std::shared_ptr<const Record> record_;
};

// An immutable picture of all records; shared by its readers.
struct Snapshot {
  std::map<std::string, Held<PodRecord>> pods;              // by id
  std::map<std::string, Held<ContainerRecord>> containers;  // by id
};

// One pod and its containers at one moment.
struct PodView {
  PodRecord pod;
  std::vector<ContainerRecord> containers;
};

// What the kernel counts of a running container, and of a pod that is ready.
// `files`, `tasks` and `open_files_limit` are told with `processes` alone: they take a look at each descriptor and thread.
enum class UsageDetail { counters, processes };
struct ContainerUsage {
  ContainerRecord container;
  UnixNanos timestamp = 0;
  cgroups::Stats cgroup;
  std::uint64_t processes = 0;
  OpenFiles files;
  TaskStates tasks;
  std::optional<std::uint64_t> open_files_limit;  // of its first process
  FsUsage writable_layer;                         // timestamp 0: not known
};
struct PodUsage {
  PodRecord pod;
  UnixNanos timestamp = 0;
  cgroups::Stats cgroup;
  std::uint64_t processes = 0;
  OpenFiles files;                       // the sum of its containers'
  TaskStates tasks;                      // the same
  std::vector<sys::LinkCounters> links;  // of its own network namespace, without the loopback; none of the host's
  std::vector<ContainerUsage> containers;
};

struct ExecOutput {
  std::string out, err;  // at most 16 MiB each, the rest dropped
  std::int32_t exit_code = 0;
};

class Engine {
 public:
  // Opens the store, adopts monitors that are still there, undoes intents without a commit. `images` and `network` outlive it.
  static Result<std::unique_ptr<Engine>> open(EngineOptions options, Images& images, Network& network);
  virtual ~Engine() = default;

  virtual Result<std::string> run_pod(PodSpec spec) = 0;
  virtual Result<void> stop_pod(const std::string& id) = 0;    // absent = ok
  virtual Result<void> remove_pod(const std::string& id) = 0;  // absent = ok
  virtual Result<std::string> create_container(const std::string& pod_id, ContainerSpec spec) = 0;
  virtual Result<void> start_container(const std::string& id) = 0;
  virtual Result<void> stop_container(const std::string& id, std::chrono::seconds grace) = 0;  // absent = ok
  virtual Result<void> remove_container(const std::string& id) = 0;                            // absent = ok
  virtual Result<ExecOutput> exec_sync(const std::string& id, const std::vector<std::string>& command, std::chrono::seconds timeout) = 0;
  // A process in a running container, its streams in the caller's hands; destroying them kills it and its process group.
  virtual Result<std::unique_ptr<ProcessStreams>> exec(const std::string& id, const StreamSpec& spec) = 0;
  // The streams of a running container itself; it outlives them.
  virtual Result<std::unique_ptr<ProcessStreams>> attach(const std::string& id, const StreamSpec& spec) = 0;
  // A TCP connection to a port of the pod's own loopback, non-blocking. unavailable: nobody listens there.
  virtual Result<UniqueFd> dial(const std::string& pod_id, std::uint32_t port) = 0;
  // An archive at `location` (absolute), replaced if there is one; the container goes on. failed_precondition: it does not run, or the host
  // has no criu. `timeout` 0: two minutes.
  virtual Result<void> checkpoint_container(const std::string& id, const std::string& location, std::chrono::seconds timeout) = 0;
  virtual Result<void> reopen_log(const std::string& id) = 0;
  virtual Result<void> update_resources(const std::string& id, const LinuxResources& patch) = 0;
  // Onto the record: the kubelet changes the pod's cgroup itself, and may not have done so when it calls.
  virtual Result<void> update_pod_resources(const std::string& id, const LinuxResources& overhead, const LinuxResources& resources) = 0;
  // failed_precondition: it does not run, the pod is not ready.
  virtual Result<ContainerUsage> container_usage(const std::string& id) = 0;
  virtual Result<PodUsage> pod_usage(const std::string& id, UsageDetail detail) = 0;

  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
  // As it is now; of a pod that was removed lately the last record, without containers.
  virtual Result<PodView> view(const std::string& pod_id) const = 0;
  virtual PodEvents& events() = 0;
  // A full id, or a prefix that only one has.
  virtual Result<PodRecord> find_pod(const std::string& id) const = 0;
  virtual Result<ContainerRecord> find_container(const std::string& id) const = 0;

  // Stops the threads; pods go on under their monitors.
  virtual void shut_down() = 0;
};

}  // namespace slipway::engine
