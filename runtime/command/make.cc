// A bundle becomes a container.
#include "runtime/command/make.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/undo.h"
#include "cgroups/cgroup.h"
#include "cgroups/systemd.h"
#include "oci/parse.h"
#include "runtime/command/console.h"
#include "runtime/command/home.h"
#include "runtime/criu/notes.h"
#include "runtime/hooks.h"
#include "runtime/intel_rdt.h"
#include "runtime/root.h"
#include "runtime/rootless.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {
    {"bundle", "b", true},         {"console-socket", "", true}, {"pid-file", "", true},     {"no-pivot", "", false},
    {"no-new-keyring", "", false}, {"preserve-fds", "", true},   {"detach", "d", false},     {"keep", "", false},
    {"no-subreaper", "", false},   {"config", "f", true},        {"pidfd-socket", "", true},
};

CreateRequest request_of(const Global& global, const MakeOptions& options, const oci::Spec& spec) {
  CreateRequest request;
  request.id = options.id;
  request.spec = &spec;
  request.bundle = options.bundle;
  request.manager = global.manager;
  request.rootless = global.rootless;
  request.seal = global.seal;
  request.stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, true};
  request.preserve_fds = options.inherited.descriptors;
  request.new_keyring = !options.no_new_keyring;
  request.no_pivot = options.no_pivot;
  return request;
}

void complete_environment(const MakeOptions& options, oci::Spec& spec) {
  for (const std::string& entry : options.inherited.env) spec.process->env.push_back(entry);
  add_home(spec.root ? root_path(spec, options.bundle) : "", *spec.process);
}

Result<void> check_terminal(const MakeOptions& options, bool terminal, bool foreground) {
  if (!terminal && !options.console_socket.empty())
    return fail(Code::invalid_argument, "--console-socket: process.terminal is false, there is no console to send");
  if (terminal && options.console_socket.empty() && !foreground)
    return fail(Code::invalid_argument, "process.terminal needs --console-socket when nobody stays to serve the terminal");
  return {};
}

// Of a container that shall go: without its hooks rather than not at all.
oci::Spec hooked_spec(const StateDir& dir) {
  const auto text = dir.read_config();
  auto spec = text.ok() ? oci::parse_spec(text.value()) : Result<oci::Spec>(text.error());
  if (spec.ok()) return std::move(spec).take();
  report_warning(std::move(spec).error().within("no poststop hooks are run: config.json"));
  return {};
}

Result<void> publish(const MakeOptions& options, Made& made) {
  TRY_ASSIGN(const auto start, process_start_time(made.created.pid));
  // Gone already (`run` of a short program): then the record names nobody.
  made.record.start_time = start.value_or(0);
  if (!made.terminal) made.record.descriptors = criu::standard_descriptors("self");
  TRY(made.dir.write(made.record));
  if (!options.console_socket.empty() && made.created.console) TRY(send_console(options.console_socket, made.created.console));
  if (!options.pidfd_socket.empty()) TRY(send_pidfd(options.pidfd_socket, ProcessKind::first, made.created.pidfd));
  if (!options.pid_file.empty()) TRY(write_pid_file(options.pid_file, made.record.pid));
  return {};
}

Result<void> remove_cgroup(const ContainerRecord& record) {
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  if (record.scope) return cgroups::kill_and_stop_unit(root, record.cgroup, kRemoveTimeout);
  // "Not created by this container, MUST NOT be deleted" (runtime.md, "Delete").
  if (record.cgroup_kept) return cgroups::Cgroup::kill_and_empty(root, record.cgroup, kRemoveTimeout);
  return cgroups::Cgroup::kill_and_remove(root, record.cgroup, kRemoveTimeout);
}

}  // namespace

const std::span<const Option> kMakeOptions(kOptions);

Result<oci::Spec> load_spec(const MakeOptions& options, std::string* text) {
  const std::string path = options.config.starts_with('/') ? options.config : options.bundle + "/" + options.config;
  TRY_ASSIGN(*text, sys::read_file(path, oci::kMaxDocument).context("--bundle '{}'", options.bundle));
  TRY_ASSIGN(oci::Spec spec, oci::parse_spec(*text).context("config.json"));
  TRY(oci::validate(spec).context("config.json"));
  return spec;
}

ContainerRecord new_record(const Global& global, const MakeOptions& options, const oci::Spec& spec) {
  ContainerRecord record;
  record.oci_version = spec.oci_version;
  record.id = options.id;
  record.bundle = options.bundle;
  if (spec.root) record.rootfs = root_path(spec, options.bundle);
  record.scope = global.manager == CgroupManager::systemd;
  record.created = to_rfc3339(now_realtime());
  record.annotations = spec.annotations;
  record.hooks = has_later_hooks(spec);
  return record;
}

Result<MakeOptions> make_options(const Arguments& arguments) {
  MakeOptions options;
  TRY_ASSIGN(options.id, container_id(arguments));
  TRY_ASSIGN(options.bundle, absolute("bundle", arguments.value("bundle", ".")));
  options.pid_file = arguments.value("pid-file");
  options.console_socket = arguments.value("console-socket");
  options.pidfd_socket = arguments.value("pidfd-socket");
  options.no_pivot = arguments.has("no-pivot");
  options.no_new_keyring = arguments.has("no-new-keyring");
  TRY_ASSIGN(options.inherited, inherited_descriptors(arguments));
  options.config = arguments.value("config", "config.json");
  options.wait_for_start = true;
  return options;
}

Result<Made> make_container(const Global& global, const MakeOptions& options, bool foreground) {
  std::string text;
  TRY_ASSIGN(oci::Spec spec, load_spec(options, &text));
  if (must_enter(global)) {
    TRY(enter_new_container(spec));
    TRY(go_within(global));
  }
  if (global.within) spec = without_user_namespace(std::move(spec));
  const bool terminal = spec.process && spec.process->terminal;
  TRY(check_terminal(options, terminal, foreground));
  if (spec.process) complete_environment(options, spec);
  TRY_ASSIGN(StateDir dir, StateDir::create(global.root, options.id));
  Undo undo;
  TRY(undo.add("remove the state directory", [&dir] { return dir.remove(); }));
  TRY(dir.lock());
  CreateRequest request = request_of(global, options, spec);
  request.cgroup_was_there = [&dir] { return dir.mark_cgroup_kept(); };
  request.meanwhile = [&dir, &text] { return dir.write_config(text); };
  UniqueFd fifo;
  const bool waits = options.wait_for_start || has_later_hooks(spec);
  if (waits) {
    TRY_ASSIGN(fifo, dir.make_start_fifo());
    request.start_fd = fifo.get();
  }
  bool host_root = false;
  request.host_root_planned = [&dir, &host_root](const HostRoot& root) {
    host_root = true;
    return dir.write_host_root(root);
  };
  TRY_ASSIGN(Created created, runtime::create(request));
  const std::string program = spec.process ? spec.process->args[0] : "";
  Made made{std::move(dir), new_record(global, options, spec), std::move(created), terminal, program, waits};
  made.record.pid = made.created.pid;
  made.record.cgroup = made.created.cgroup;
  made.record.cgroup_kept = made.created.cgroup_kept;
  made.record.resctrl = made.created.resctrl;
  made.record.host_root = host_root;
  auto published = publish(options, made);
  if (published.ok()) {
    undo.dismiss();
    return made;
  }
  undo.dismiss();
  (void)sys::pidfd_send_signal(made.created.pidfd, SIGKILL);
  (void)sys::wait_pidfd(made.created.pidfd);
  auto removed = remove_container(made.dir, made.record);
  if (!removed.ok()) log::warn("{}", removed.error().message);
  return std::move(published).error();
}

Result<void> remove_container(const StateDir& dir, const ContainerRecord& record) {
  const oci::Spec hooked = record.hooks ? hooked_spec(dir) : oci::Spec{};
  if (!record.cgroup.empty()) TRY(remove_cgroup(record));
  if (!record.resctrl.empty()) {
    TRY_ASSIGN(const Resctrl resctrl, find_resctrl());
    TRY(remove_rdt_groups(resctrl, record.resctrl));
  }
  if (record.host_root) {
    TRY_ASSIGN(const auto mounted, dir.read_host_root());
    if (mounted) TRY(unmount_host_root(*mounted));
  }
  TRY(dir.remove());
  for (const Error& error : run_hooks_to_end(hooked, HookKind::poststop, record, Status::stopped)) report_warning(error);
  return {};
}

Result<void> remove_ended(const StateDir& dir, const ContainerRecord& record) {
  TRY(dir.lock());
  if (dir.removed()) return {};
  return remove_container(dir, record);
}

}  // namespace slipway::runtime::command
