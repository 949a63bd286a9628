// slipway restore: a container from a directory of images, by criu.
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/undo.h"
#include "runtime/cgroup_place.h"
#include "runtime/command/console.h"
#include "runtime/command/criu_options.h"
#include "runtime/command/make.h"
#include "runtime/criu/notes.h"
#include "runtime/criu/restore.h"
#include "runtime/hooks.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {
    {"image-path", "", true},
    {"work-path", "", true},
    {"tcp-established", "", false},
    {"tcp-close", "", false},
    {"ext-unix-sk", "", false},
    {"shell-job", "", false},
    {"file-locks", "", false},
    {"manage-cgroups-mode", "", true},
    {"bundle", "b", true},
    {"detach", "d", false},
    {"pid-file", "", true},
    {"console-socket", "", true},
    {"no-pivot", "", false},
    {"no-new-keyring", "", false},
    {"no-subreaper", "", false},
    {"empty-ns", "", true},
    {"auto-dedup", "", false},
    {"lazy-pages", "", false},
    {"lsm-profile", "", true},
    {"lsm-mount-context", "", true},
    {"network-lock", "", true},
    {"keep", "", false},
    {"criu", "", true},
    {"link-remap", "", false},
};

Result<MakeOptions> wanted(const Arguments& arguments) {
  MakeOptions out;
  TRY_ASSIGN(out.id, container_id(arguments));
  TRY_ASSIGN(out.bundle, absolute("bundle", arguments.value("bundle", ".")));
  out.config = "config.json";
  out.no_new_keyring = arguments.has("no-new-keyring");
  out.pid_file = arguments.value("pid-file");
  out.console_socket = arguments.value("console-socket");
  return out;
}

// A checkpointed container makes room for what is restored under its name; any other keeps it.
Result<StateDir> take_name(const Global& global, const std::string& id) {
  auto dir = StateDir::create(global.root, id);
  if (dir.ok() || dir.error().code != Code::already_exists) return dir;
  const auto found = find_container(global, id);
  if (!found.ok() || !found.value().record.checkpointed) return dir;
  TRY(found.value().dir.lock());
  if (found.value().dir.removed()) return StateDir::create(global.root, id);  // while we waited
  TRY_ASSIGN(const auto process, open_process(found.value().record));
  if (process) return dir;
  TRY(remove_container(found.value().dir, found.value().record));
  return StateDir::create(global.root, id);
}

// What is restored, from the moment that its directory is there.
struct Restored {
  StateDir dir;
  ContainerRecord record;
  UniqueFd pidfd;
  UniqueFd console;
};

Result<void> publish(const MakeOptions& options, Restored& restored, pid_t pid, UniqueFd console) {
  TRY_ASSIGN(restored.pidfd, sys::pidfd_open(pid));
  TRY_ASSIGN(const auto start, process_start_time(pid));
  restored.record.pid = pid;
  restored.record.start_time = start.value_or(0);
  TRY(restored.dir.write(restored.record));
  if (!options.console_socket.empty() && console) TRY(send_console(options.console_socket, console));
  if (!options.pid_file.empty()) TRY(write_pid_file(options.pid_file, pid));
  restored.console = std::move(console);
  return {};
}

// createRuntime's work is the host's, above all the network's: it is wanted again. What is inside comes from the images.
Result<void> run_hooks_again(const oci::Spec& spec, const ContainerRecord& from, pid_t pid) {
  ContainerRecord record = from;
  record.pid = pid;
  TRY(run_hooks(spec, HookKind::prestart, record, Status::created));
  return run_hooks(spec, HookKind::create_runtime, record, Status::creating);
}

// config.json is kept once the cgroup that it names is known to be nobody else's: `delete` of what is half made kills what is in it.
Result<void> restore_in(const Global& global, const Arguments& arguments, const MakeOptions& options, const oci::Spec& spec,
                        const std::string& text, Restored& restored, Undo& undo) {
  criu::RestoreRequest request;
  TRY_ASSIGN(request.options, criu_options(arguments, spec));
  TRY_ASSIGN(request.program, criu_program(global, arguments));
  TRY_ASSIGN(const CriuDirectories directories, open_criu_directories(arguments, false));
  TRY_ASSIGN(const Scratch scratch, Scratch::make(global, options.id));
  request.directories = directories.paths;
  request.directories.scratch = scratch.path();
  CreateRequest place_request;
  place_request.id = options.id;
  place_request.spec = &spec;
  place_request.manager = global.manager;
  if (global.manager == CgroupManager::none) return fail(Code::invalid_argument, "--cgroup-manager: 'disabled' leaves criu no cgroup");
  CgroupPlace place;
  TRY(make_cgroup(place_request, place, undo));
  TRY(restored.dir.write_config(text));
  TRY(apply_device_rules(spec, place));
  restored.record.cgroup = place.path;
  restored.record.cgroup_kept = place.own && place.own->was_there();
  request.keyring = options.no_new_keyring ? "" : "_ses." + options.id;
  request.spec = &spec;
  request.bundle = options.bundle;
  if (!spec.process || !spec.process->terminal) request.stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  request.cgroup = &place.cgroup();
  request.cgroup_path = place.path;
  request.environment_made = [&](pid_t pid) { return run_hooks_again(spec, restored.record, pid); };
  request.restored = [&](pid_t pid, UniqueFd console) { return publish(options, restored, pid, std::move(console)); };
  return criu::restore(request);
}

Result<Restored> restore(const Global& global, const Arguments& arguments, const MakeOptions& options) {
  std::string text;
  TRY_ASSIGN(const oci::Spec spec, load_spec(options, &text));
  const bool terminal = spec.process && spec.process->terminal;
  if (terminal && options.console_socket.empty() && arguments.has("detach"))
    return fail(Code::invalid_argument, "process.terminal needs --console-socket when nobody stays to serve the terminal");
  TRY_ASSIGN(StateDir dir, take_name(global, options.id));
  Restored restored{std::move(dir), new_record(global, options, spec), UniqueFd(), UniqueFd()};
  if (!terminal) restored.record.descriptors = criu::standard_descriptors("self");
  Undo undo;
  TRY(undo.add("remove the state directory", [&restored] { return restored.dir.remove(); }));
  TRY(restored.dir.lock());
  TRY(restore_in(global, arguments, options, spec, text, restored, undo));
  undo.dismiss();
  return restored;
}

}  // namespace

Result<int> restore_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const MakeOptions options, wanted(arguments));
  const bool detach = arguments.has("detach");
  if (!detach) TRY(block_signals());
  auto done = restore(global, arguments, options);
  if (!done.ok()) return std::move(done).error().within("restore '{}'", options.id);
  const Restored restored = std::move(done).take();
  if (detach) return 0;
  restored.dir.unlock();
  const bool relay = restored.console.valid() && options.console_socket.empty();
  auto status = relay ? relay_console(restored.console, restored.pidfd) : wait_foreground(restored.pidfd);
  if (!arguments.has("keep")) {
    auto removed = remove_ended(restored.dir, restored.record);
    if (!removed.ok()) log::warn("{}", removed.error().message);
  }
  if (!status.ok()) return std::move(status).error();
  return status.value().code;
}

}  // namespace slipway::runtime::command
