// slipway delete: takes away what is left of a container, half-made ones too.
#include <signal.h>

#include "oci/parse.h"
#include "runtime/command/make.h"
#include "runtime/command/many.h"
#include "runtime/intel_rdt.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"force", "f", false}, {"regex", "r", false}};

// Its maker died between mkdir and state.json: what it may have made has the name that config.json gives.
Result<void> remove_half_made(const Global& global, const StateDir& dir, const std::string& id) {
  ContainerRecord record;
  record.id = id;
  oci::Spec named;
  const auto text = dir.read_config();
  if (text.ok()) {
    auto spec = oci::parse_spec(text.value());
    if (spec.ok()) named = std::move(spec).take();
  }
  record.host_root = true;  // as far as it came
  if (const auto& rdt = named.linux_.intel_rdt; rdt) {
    if (const auto resctrl = find_resctrl(); resctrl.ok()) record.resctrl = rdt_group_of(resctrl.value(), *rdt, id).made;
  }
  record.scope = global.manager == CgroupManager::systemd;
  record.cgroup_kept = dir.is_cgroup_kept();
  TRY_ASSIGN(record.cgroup, cgroup_path(named, id, global.manager));
  return remove_container(dir, record);
}

Result<void> end_first_process(const StateDir& dir, const ContainerRecord& record, bool force) {
  TRY_ASSIGN(const auto process, open_process(record));
  if (!process) return {};
  TRY_ASSIGN(const Status status, status_of(dir, record));
  // A created one as well (runtime.md, "Delete"): its caller has yet to say what becomes of it.
  if (!force && status != Status::stopped)
    return fail(Code::failed_precondition, "container '{}' is {}: it must be stopped before it is deleted, or use --force", record.id,
                to_string(status));
  return end_process(*process).context("container '{}'", record.id);
}

Result<void> delete_one(const Global& global, const std::string& id, bool force) {
  auto dir = StateDir::open(global.root, id);
  if (!dir.ok() && dir.error().code == Code::not_found && force) return {};
  if (!dir.ok()) return std::move(dir).error();
  TRY(dir.value().lock());
  // Deleted while we waited for the lock. Who has the name by now is somebody else.
  if (dir.value().removed()) return force ? Result<void>{} : fail(Code::not_found, "container '{}' does not exist", id);
  TRY_ASSIGN(const auto record, dir.value().read());
  if (!record) return remove_half_made(global, dir.value(), id);
  TRY(end_first_process(dir.value(), *record, force));
  return remove_container(dir.value(), *record);
}

}  // namespace

Result<int> delete_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  const bool force = arguments.has("force");
  if (arguments.has("regex")) {
    TRY(for_each_matching(global, id, [&](const std::string& each) { return delete_one(global, each, force); }));
  } else {
    TRY(delete_one(global, id, force));
  }
  return 0;
}

}  // namespace slipway::runtime::command
