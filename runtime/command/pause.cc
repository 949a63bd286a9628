// slipway pause and resume: the freezer of the container's cgroup.
#include "runtime/command/command.h"

namespace slipway::runtime::command {
namespace {

constexpr int kFreezeTimeout = 10'000;  // ms

Result<int> set_frozen(const Global& global, Words words, bool frozen) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, {}, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY(found.dir.lock());
  TRY_ASSIGN(const Status status, status_of(found.dir, found.record));
  if (frozen && status != Status::running && status != Status::created)
    return fail(Code::failed_precondition, "container '{}' is {}: it cannot be paused", id, to_string(status));
  if (!frozen && status != Status::paused)
    return fail(Code::failed_precondition, "container '{}' is {}: it cannot be resumed", id, to_string(status));
  TRY_ASSIGN(const cgroups::Cgroup cgroup, open_cgroup(found.record));
  if (frozen) {
    TRY(cgroup.freeze(kFreezeTimeout));
  } else {
    TRY(cgroup.thaw(kFreezeTimeout));
  }
  return 0;
}

}  // namespace

Result<int> pause_verb(const Global& global, Words words) {
  return set_frozen(global, words, true);
}

Result<int> resume_verb(const Global& global, Words words) {
  return set_frozen(global, words, false);
}

}  // namespace slipway::runtime::command
