// slipway exec: a further process in a running container.
#include <signal.h>
#include <unistd.h>

#include "base/text.h"
#include "base/weaken.h"
#include "oci/parse.h"
#include "runtime/capabilities.h"
#include "runtime/command/command.h"
#include "runtime/command/console.h"
#include "runtime/command/home.h"
#include "runtime/command/inherited.h"
#include "runtime/rootless.h"
#include "runtime/seal_plan.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {
    {"console-socket", "", true}, {"cwd", "", true},           {"env", "e", true},          {"tty", "t", false},
    {"user", "u", true},          {"process", "p", true},      {"detach", "d", false},      {"pid-file", "", true},
    {"cap", "c", true},           {"no-new-privs", "", false}, {"preserve-fds", "", true},  {"additional-gids", "g", true},
    {"ignore-paused", "", false}, {"apparmor", "", true},      {"process-label", "", true}, {"cgroup", "", true},
    {"pidfd-socket", "", true},
};
constexpr int kExecError = 255;  // as runc: what a program itself returns is below

// A number and nothing else: "1abc" or "4294967296" must not become some user (CVE-2026-30892, CVE-2024-40635).
Result<std::uint32_t> parse_id(std::string_view flag, std::string_view text) {
  if (weakened(Defence::exec_numbers)) return static_cast<std::uint32_t>(std::strtoull(std::string(text).c_str(), nullptr, 10));
  const auto id = to_number<std::uint32_t>(text);
  if (!id || *id == ~std::uint32_t{0}) return fail(Code::invalid_argument, "--{}: '{}' is not a numeric id", flag, text);
  return *id;
}

Result<void> set_user(const Arguments& arguments, oci::User& user) {
  if (arguments.has("user")) {
    const std::string text = arguments.value("user");
    const std::size_t colon = text.find(':');
    TRY_ASSIGN(user.uid, parse_id("user", std::string_view(text).substr(0, colon)));
    if (colon != std::string::npos) {
      TRY_ASSIGN(user.gid, parse_id("user", std::string_view(text).substr(colon + 1)));
    }
  }
  for (const std::string& text : arguments.values("additional-gids")) {
    TRY_ASSIGN(const std::uint32_t gid, parse_id("additional-gids", text));
    user.additional_gids.push_back(gid);
  }
  return {};
}

// Never inheritable: a program with file capabilities would raise them (CVE-2022-29162).
Result<void> add_capabilities(const Arguments& arguments, oci::Process& process) {
  for (const std::string& name : arguments.values("cap")) {
    if (!capability_number(name)) return fail(Code::invalid_argument, "--cap: '{}' is not known", name);
    oci::Capabilities& caps = process.capabilities ? *process.capabilities : process.capabilities.emplace();
    for (auto* set : {&caps.bounding, &caps.effective, &caps.permitted}) set->push_back(name);
    if (weakened(Defence::no_inheritable)) caps.inheritable.push_back(name);
  }
  return {};
}

// The container's own process, changed by the flags; or one from a file.
Result<oci::Process> load_process(const Arguments& arguments, const oci::Spec& spec) {
  if (arguments.has("process")) {
    TRY_ASSIGN(const std::string text, sys::read_file(arguments.value("process"), oci::kMaxDocument));
    TRY_ASSIGN(oci::Process process, oci::parse_process(text).context("--process"));
    TRY(oci::validate(process).context("--process"));
    return process;
  }
  if (!spec.process) return fail(Code::failed_precondition, "config.json has no process to start from: use --process");
  oci::Process process = *spec.process;
  process.args.assign(arguments.positional.begin() + 1, arguments.positional.end());
  if (process.args.empty()) return fail(Code::invalid_argument, "the program is missing");
  process.terminal = arguments.has("tty");
  process.console_size.reset();
  if (arguments.has("cwd")) process.cwd = arguments.value("cwd");
  for (std::string& entry : arguments.values("env")) process.env.push_back(std::move(entry));
  if (arguments.has("apparmor")) process.apparmor_profile = arguments.value("apparmor");
  if (arguments.has("process-label")) process.selinux_label = arguments.value("process-label");
  if (arguments.has("no-new-privs")) process.no_new_privileges = true;
  TRY(set_user(arguments, process.user));
  TRY(add_capabilities(arguments, process));
  TRY(oci::validate(process));
  return process;
}

Result<void> check_terminal(const Arguments& arguments, bool terminal, bool detach) {
  if (!terminal && arguments.has("console-socket"))
    return fail(Code::invalid_argument, "--console-socket: the process has no terminal, there is no console to send");
  if (terminal && detach && !arguments.has("console-socket"))
    return fail(Code::invalid_argument, "a detached process with a terminal needs --console-socket");
  return {};
}

// A cgroup that is there beneath the container's own: "/a/b". Without controllers before it, which version 1 had.
Result<std::string> sub_cgroup(const Arguments& arguments, const std::string& own) {
  const std::string path = arguments.value("cgroup");
  if (path.find(':') != std::string::npos)
    return fail(Code::invalid_argument, "--cgroup: '{}' names a controller, but cgroup v2 has one tree for all", path);
  if (("/" + path + "/").find("/../") != std::string::npos)
    return fail(Code::invalid_argument, "--cgroup: '{}' leads out of the container's cgroup", path);
  if (own.empty()) return fail(Code::invalid_argument, "--cgroup: '{}': the container has no cgroup of its own", path);
  return own + (path.starts_with('/') ? "" : "/") + path;
}

ExecRequest request_of(const Found& found, const oci::Spec& spec, const oci::Process& process, const UniqueFd& pidfd, int preserved) {
  ExecRequest request;
  request.pid = found.record.pid;
  request.pidfd = pidfd.get();
  request.process = &process;
  request.linux_ = &spec.linux_;
  request.record = &found.record;
  request.cgroup = found.record.cgroup;
  request.stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, true};
  request.id = found.record.id;
  request.preserve_fds = preserved;
  return request;
}

Result<void> hand_over(const Arguments& arguments, const Created& created) {
  if (arguments.has("console-socket") && created.console) TRY(send_console(arguments.value("console-socket"), created.console));
  if (arguments.has("pidfd-socket")) TRY(send_pidfd(arguments.value("pidfd-socket"), ProcessKind::further, created.pidfd));
  if (arguments.has("pid-file")) TRY(write_pid_file(arguments.value("pid-file"), created.pid));
  return {};
}

Result<int> serve(const Arguments& arguments, const Created& created) {
  TRY(hand_over(arguments, created));
  if (arguments.has("detach")) return 0;
  const bool relay = created.console && !arguments.has("console-socket");
  TRY_ASSIGN(const sys::ExitStatus status, relay ? relay_console(created.console, created.pidfd) : wait_foreground(created.pidfd));
  return status.code;
}

Result<int> execute(const Global& global, const Arguments& arguments) {
  TRY_ASSIGN(const Inherited inherited, inherited_descriptors(arguments));
  TRY_ASSIGN(const std::string id, container_id(arguments, SIZE_MAX));
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY_ASSIGN(const auto pidfd, open_process(found.record));
  if (!pidfd) return fail(Code::failed_precondition, "container '{}' is not running", id);
  TRY_ASSIGN(const Status status, status_of(found.dir, found.record));
  if (status == Status::paused && !arguments.has("ignore-paused"))
    return fail(Code::failed_precondition, "container '{}' is paused: resume it first", id);
  TRY_ASSIGN(const std::string text, found.dir.read_config());
  TRY_ASSIGN(const oci::Spec spec, oci::parse_spec(text).context("config.json"));
  TRY_ASSIGN(oci::Process process, load_process(arguments, spec));
  add_home(fmt::format("/proc/{}/root", found.record.pid), process);
  const bool detach = arguments.has("detach");
  TRY(check_terminal(arguments, process.terminal, detach));
  if (must_enter(global)) {
    TRY(enter_container(*pidfd));
    TRY(go_within(global));
  }
  if (!detach) TRY(block_signals());
  ExecRequest request = request_of(found, spec, process, *pidfd, inherited.descriptors);
  request.seal = global.seal;
  request.exact_cgroup = arguments.has("cgroup");
  if (request.exact_cgroup) {
    TRY_ASSIGN(request.cgroup, sub_cgroup(arguments, found.record.cgroup));
  }
  TRY_ASSIGN(const Created created, runtime::exec(request));
  auto served = serve(arguments, created);
  // Who hears of a failure must not find the process at work, of which nobody else knows.
  if (!served.ok()) (void)end_process(created.pidfd);
  return served;
}

}  // namespace

Result<int> exec_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, true));
  auto status = execute(global, arguments);
  if (status.ok() || (global.seal != nullptr && global.seal->refused)) return status;  // refused: done again, without the seal
  report_error(std::move(status).error());
  return kExecError;
}

}  // namespace slipway::runtime::command
