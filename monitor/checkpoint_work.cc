// What criu is asked for.
#include "monitor/checkpoint_work.h"

#include "base/fault.h"
#include "oci/parse.h"
#include "runtime/criu/export.h"
#include "runtime/criu/notes.h"
#include "runtime/criu/session.h"
#include "runtime/hooks.h"
#include "sys/file.h"

namespace slipway::monitor {
namespace {

Result<std::string> find_criu(const std::string& asked) {
  auto program = runtime::criu::find_program(asked);
  if (program.ok()) return program;
  return fail(Code::failed_precondition, "{}", program.error().message);
}

Result<void> checkpoint(const CheckpointWork& work) {
  const Checkpoint& request = *work.request;
  runtime::criu::ExportRequest out;
  TRY_ASSIGN(out.program, find_criu(request.criu()));
  TRY_ASSIGN(out.spec_dump, sys::read_file(work.bundle + "/config.json", oci::kMaxDocument));
  TRY_ASSIGN(const oci::Spec spec, oci::parse_spec(out.spec_dump));
  runtime::ContainerRecord record = runtime::hook_record(spec, request.id(), work.bundle);
  record.pid = work.pid;
  record.cgroup = work.cgroup;
  // What its first process has there now: what it was given is known to nobody any more.
  if (!spec.process || !spec.process->terminal) record.descriptors = runtime::criu::standard_descriptors(std::to_string(work.pid));
  out.record = &record;
  out.spec = &spec;
  out.pidfd = work.pidfd;
  out.config_dump = request.config_dump();
  out.upper = request.rootfs().upper();
  out.lower = {request.rootfs().lower().begin(), request.rootfs().lower().end()};
  out.scratch = request.scratch();
  out.archive = work.archive;
  out.deadline = work.deadline;
  TRY(fault::point("checkpoint"));
  return runtime::criu::export_checkpoint(out);
}

}  // namespace

void run_checkpoint(const CheckpointWork& work, Outcome& outcome) {
  const fault::Operation operation("MonitorCheckpoint");
  settle(checkpoint(work), outcome);
}

void run_clear_checkpoint(const std::string& scratch, Outcome& outcome) {
  settle(runtime::criu::remove_scratch(scratch), outcome);
}

}  // namespace slipway::monitor
