// The forked runner's work.
#include "monitor/runner_work.h"

#include <fcntl.h>

#include "base/fault.h"
#include "cgroups/cgroup.h"
#include "cgroups/systemd.h"
#include "cgroups/unit_names.h"
#include "monitor/foreign.h"
#include "monitor/log_file.h"
#include "oci/parse.h"
#include "runtime/hooks.h"
#include "sys/file.h"

namespace slipway::monitor {
namespace {

constexpr int kRemoveWaitMs = 5000;

Result<oci::Spec> read_spec(const std::string& bundle) {
  TRY_ASSIGN(const std::string json, sys::read_file(bundle + "/config.json", oci::kMaxDocument));
  return oci::parse_spec(json).context("{}/config.json", bundle);
}

void put_created(runtime::Created created, bool with_sync, Outcome& outcome) {
  outcome.reply.set_pid(static_cast<std::uint32_t>(created.pid));
  outcome.reply.set_cgroup(created.cgroup);
  for (const runtime::Stage& s : created.stages) {
    Stage* stage = outcome.reply.add_stages();
    stage->set_name(s.name);
    stage->set_start(s.start);
    stage->set_duration(s.duration);
  }
  outcome.fds.push_back(std::move(created.pidfd));
  if (with_sync) outcome.fds.push_back(std::move(created.sync));
  if (created.console.valid()) outcome.fds.push_back(std::move(created.console));
}

Result<void> create(const CreateWork& work, Outcome& outcome) {
  const CreateContainer& request = *work.request;
  // Here, where nobody is kept waiting by a disk: the log writer opens it again. A log that cannot be is the container's error.
  if (!request.log_path().empty()) TRY(LogFile::open(request.log_path()));
  add_stage(outcome.reply, "fork", work.begun);
  const MonotonicNanos parse_begun = now_monotonic();
  TRY_ASSIGN(const oci::Spec spec, read_spec(request.bundle()));
  TRY(oci::validate(spec).context("{}/config.json", request.bundle()));
  if (!spec.process || spec.process->terminal != request.tty())
    return fail(Code::invalid_argument, "{}/config.json: process.terminal and the request's tty differ", request.bundle());
  add_stage(outcome.reply, "parse", parse_begun);
  if (request.has_runtime()) return create_by_runtime(work, spec, outcome);
  // Those of create belong to runtime::create; a container's start and end are told to slipwayd, which runs no hooks.
  if (runtime::has_later_hooks(spec))
    return fail(Code::unimplemented, "hooks: of a pod's containers only prestart, createRuntime and createContainer are run");

  runtime::CreateRequest create;
  create.id = request.id();
  create.spec = &spec;
  create.bundle = request.bundle();
  create.cgroup = request.cgroup();
  create.rootless = runtime::Rootless::no;  // a pod's limits and its end rest on its cgroup
  create.manager = request.systemd_cgroup() ? runtime::CgroupManager::systemd : runtime::CgroupManager::cgroupfs;
  create.scope_after = {request.scope_after().begin(), request.scope_after().end()};
  create.stdio = work.stdio;
  create.start_fd = work.start_fd;
  create.pid_process = work.pid_process;
  create.child_of_parent = true;
  create.overlay = overlay_of(request);
  for (const ImageVolume& volume : request.image_volumes())
    create.image_volumes.push_back({volume.source(), {volume.lower().begin(), volume.lower().end()}, volume.sub_path()});
  TRY(fault::point("create"));
  TRY_ASSIGN(runtime::Created created, runtime::create(create));
  fault::moment("created");
  put_created(std::move(created), true, outcome);
  return {};
}

Result<std::string> process_json(const ExecWork& work) {
  if (work.process_fd >= 0) return sys::read_fd(FdRef(work.process_fd), oci::kMaxDocument);
  return sys::read_file(work.request->process_path(), oci::kMaxDocument);
}

Result<void> exec(const ExecWork& work, Outcome& outcome) {
  add_stage(outcome.reply, "fork", work.begun);
  const MonotonicNanos parse_begun = now_monotonic();
  TRY_ASSIGN(const std::string json, process_json(work));
  TRY_ASSIGN(const oci::Process process, oci::parse_process(json));
  TRY(oci::validate(process));
  if (process.terminal != work.request->tty()) return fail(Code::invalid_argument, "the process's terminal and the request's tty differ");
  if (work.runtime != nullptr) return exec_by_runtime(work, process, json, outcome);
  TRY_ASSIGN(const oci::Spec spec, read_spec(work.bundle));
  add_stage(outcome.reply, "parse", parse_begun);

  runtime::ExecRequest exec;
  exec.pid = work.pid;
  exec.pidfd = work.pidfd;
  exec.process = &process;
  exec.linux_ = &spec.linux_;
  runtime::ContainerRecord record = runtime::hook_record(spec, work.request->container_id(), work.bundle);
  record.pid = work.pid;
  exec.record = &record;
  exec.cgroup = work.cgroup;
  exec.part = work.part;
  exec.stdio = work.stdio;
  exec.child_of_parent = true;
  exec.id = work.request->container_id();
  TRY(fault::point("exec"));
  TRY_ASSIGN(runtime::Created created, runtime::exec(exec));
  fault::moment("executed");
  put_created(std::move(created), false, outcome);
  return {};
}

Result<void> update(const Update& request, const std::string& cgroup) {
  TRY_ASSIGN(const oci::Resources resources, oci::parse_resources(request.resources_json()));
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  if (cgroups::is_scope(cgroup)) return cgroups::apply_to_unit(root, cgroup, resources);
  TRY_ASSIGN(const cgroups::Cgroup at, cgroups::Cgroup::open(root, cgroup));
  return at.apply(resources);
}

Result<void> remove(const std::string& cgroup) {
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  return cgroups::Cgroup::kill_and_remove(root, cgroup, kRemoveWaitMs);
}

}  // namespace

std::optional<runtime::OverlayRoot> overlay_of(const CreateContainer& request) {
  if (!request.has_rootfs()) return std::nullopt;
  const Overlay& overlay = request.rootfs();
  return runtime::OverlayRoot{{overlay.lower().begin(), overlay.lower().end()},
                              overlay.upper(),
                              overlay.work(),
                              {overlay.directories().begin(), overlay.directories().end()}};
}

void run_create(const CreateWork& work, Outcome& outcome) {
  const fault::Operation operation("MonitorCreate");
  settle(create(work, outcome), outcome);
}
void run_start(const OciRuntime& runtime, const std::string& id, int pidfd, Outcome& outcome) {
  settle(start_by_runtime(runtime, id, pidfd), outcome);
}
void run_exec(const ExecWork& work, Outcome& outcome) {
  const fault::Operation operation("MonitorExec");
  settle(exec(work, outcome), outcome);
}
void run_update(const Update& request, const std::string& cgroup, Outcome& outcome) {
  settle(update(request, cgroup), outcome);
}
void run_remove(const std::string& cgroup, Outcome& outcome) {
  settle(remove(cgroup), outcome);
}

}  // namespace slipway::monitor
