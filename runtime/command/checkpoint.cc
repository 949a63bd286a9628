// slipway checkpoint: a running container into a directory of images, by criu.
#include "oci/parse.h"
#include "runtime/command/criu_options.h"
#include "runtime/criu/dump.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {
    {"image-path", "", true},          {"work-path", "", true},         {"parent-path", "", true},
    {"leave-running", "", false},      {"tcp-established", "", false},  {"tcp-skip-in-flight", "", false},
    {"link-remap", "", false},         {"ext-unix-sk", "", false},      {"shell-job", "", false},
    {"lazy-pages", "", false},         {"status-fd", "", true},         {"page-server", "", true},
    {"file-locks", "", false},         {"pre-dump", "", false},         {"empty-ns", "", true},
    {"manage-cgroups-mode", "", true}, {"auto-dedup", "", false},       {"network-lock", "", true},
    {"lsm-profile", "", true},         {"lsm-mount-context", "", true}, {"criu", "", true},
};

// Those of the dump before, whose unchanged pages are not written again; relative, so that both can be carried elsewhere together.
Result<std::string> parent_images(const Arguments& arguments, FdRef images) {
  const std::string path = arguments.value("parent-path");
  if (path.empty()) return path;
  if (path.starts_with('/')) return fail(Code::invalid_argument, "--parent-path: '{}' must be relative to --image-path", path);
  TRY_ASSIGN(const UniqueFd there, sys::open_at(images, path, O_PATH | O_DIRECTORY).context("--parent-path"));
  return path;
}

Result<void> check_status(const Found& found, const std::string& id) {
  TRY_ASSIGN(const Status status, status_of(found.dir, found.record));
  TRY_ASSIGN(const auto waiting, found.dir.open_start_fifo());
  if (status == Status::paused && waiting)
    return fail(Code::failed_precondition, "container '{}' is paused before its start: it cannot be checkpointed", id);
  if (status == Status::running || status == Status::paused) return {};
  return fail(Code::failed_precondition, "container '{}' is {}: it cannot be checkpointed", id, to_string(status));
}

Result<void> checkpoint(const Global& global, const Arguments& arguments, Found& found) {
  criu::DumpRequest request;
  TRY_ASSIGN(const std::string text, found.dir.read_config());
  TRY_ASSIGN(const oci::Spec spec, oci::parse_spec(text));
  TRY_ASSIGN(request.options, criu_options(arguments, spec));
  TRY_ASSIGN(request.program, criu_program(global, arguments));
  TRY_ASSIGN(const auto process, open_process(found.record));
  if (!process) return fail(Code::failed_precondition, "container '{}' has ended", found.record.id);
  TRY_ASSIGN(const CriuDirectories directories, open_criu_directories(arguments, true));
  TRY_ASSIGN(const Scratch scratch, Scratch::make(global, found.record.id));
  request.directories = directories.paths;
  request.directories.scratch = scratch.path();
  TRY_ASSIGN(request.options.parent_images, parent_images(arguments, directories.images));
  request.options.leave_running = arguments.has("leave-running");
  request.pre_dump = arguments.has("pre-dump");
  request.record = &found.record;
  request.spec = &spec;
  request.pidfd = process->get();
  TRY(criu::dump(request));
  if (request.pre_dump || request.options.leave_running) return {};
  found.record.checkpointed = true;
  return found.dir.write(found.record);
}

}  // namespace

Result<int> checkpoint_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  TRY_ASSIGN(Found found, find_container(global, id));
  TRY(found.dir.lock());
  TRY(check_status(found, id));
  auto done = checkpoint(global, arguments, found);
  if (!done.ok()) return std::move(done).error().within("checkpoint '{}'", id);
  return 0;
}

}  // namespace slipway::runtime::command
