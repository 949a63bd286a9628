// slipway: the OCI runtime's command line. Global flags, then a verb.
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <unistd.h>

#include <array>

#include <cstdlib>

#include "base/log.h"
#include "runtime/command/command.h"
#include "runtime/command/help.h"
#include "runtime/command/sealed_self.h"
#include "runtime/rootless.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {
    {"root", "", true},      {"log", "", true},       {"log-format", "", true}, {"debug", "", false},         {"systemd-cgroup", "", false},
    {"version", "v", false}, {"help", "h", false},    {"rootless", "", true},   {"cgroup-manager", "", true}, {"criu", "", true},
    {"within", "", false},   {"log-level", "", true},
};

struct Verb {
  std::string_view name;
  Result<int> (*run)(const Global&, Words);
  bool enters_container;  // its binary may be seen from inside
};

constexpr Verb kVerbs[] = {
    {"create", create_verb, true},
    {"start", start_verb, false},
    {"run", run_verb, true},
    {"state", state_verb, false},
    {"kill", kill_verb, false},
    {"delete", delete_verb, false},
    {"exec", exec_verb, true},
    {"list", list_verb, false},
    {"ps", ps_verb, false},
    {"pause", pause_verb, false},
    {"resume", resume_verb, false},
    {"spec", spec_verb, false},
    {"features", features_verb, false},
    {"update", update_verb, false},
    {"events", events_verb, false},
    {"checkpoint", checkpoint_verb, false},
    {"restore", restore_verb, false},
};

std::string version() {
  return fmt::format("slipway version {}\nspec: {}\n", kVersion, kSpecVersion);
}

// Rootless: the user's own, as /run is not. XDG_RUNTIME_DIR of a root that came by sudo is somebody else's.
std::string default_root(const Global& global) {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime == nullptr || *runtime != '/') return global.root;
  if (!is_ordinary_user() && sys::in_initial_user_namespace()) return global.root;
  return fmt::format("{}/slipway", runtime);
}

Result<Rootless> parse_rootless(const std::string& text) {
  if (text == "auto") return Rootless::automatic;
  if (text == "true") return Rootless::yes;
  if (text == "false") return Rootless::no;
  return fail(Code::invalid_argument, "--rootless: '{}' is none of true, false and auto", text);
}

Result<CgroupManager> cgroup_manager(const Arguments& arguments) {
  const std::string manager = arguments.value("cgroup-manager", arguments.has("systemd-cgroup") ? "systemd" : "cgroupfs");
  if (manager == "cgroupfs") return CgroupManager::cgroupfs;
  if (manager == "systemd") return CgroupManager::systemd;
  if (manager == "disabled") return CgroupManager::none;
  return fail(Code::invalid_argument, "--cgroup-manager: '{}' is none of cgroupfs, systemd and disabled", manager);
}

// "warning" is crun's word.
Result<void> set_level(const Arguments& arguments) {
  std::string level = arguments.value("log-level", arguments.has("debug") ? "debug" : "");
  if (level.empty()) return {};
  if (level == "warning") level = "warn";
  TRY_ASSIGN(const log::Level parsed, log::parse_level(level).context("--log-level"));
  log::set_level(parsed);
  return {};
}

Result<void> set_log(const Arguments& arguments) {
  const std::string format = arguments.value("log-format", "text");
  if (format != "text" && format != "json") return fail(Code::invalid_argument, "--log-format: '{}' is neither text nor json", format);
  TRY(set_error_log(arguments.value("log"), format == "json"));
  log::set_sink(report_line);
  return {};
}

// Of the words before one that makes no sense, so that the log hears of it.
void set_log_of(Words words) {
  while (!words.empty()) {
    words = words.first(words.size() - 1);
    const auto arguments = parse_arguments(words, kOptions, true);
    if (!arguments.ok()) continue;
    (void)set_log(arguments.value());
    return;
  }
}

Result<Global> apply_globals(const Arguments& arguments) {
  Global global;
  TRY(set_log(arguments));  // first: whoever reads the log wants to hear of the other flags too
  TRY_ASSIGN(global.rootless, parse_rootless(arguments.value("rootless", "auto")));
  global.within = arguments.has("within");
  TRY_ASSIGN(global.root, absolute("root", arguments.has("root") ? arguments.value("root") : default_root(global)));
  TRY_ASSIGN(global.manager, cgroup_manager(arguments));
  global.criu = arguments.value("criu");
  TRY(set_level(arguments));
  return global;
}

// A caller may have closed some of 0, 1 and 2: the next file opened would take the number, and a container would be given it.
Result<void> fill_standard_descriptors() {
  std::array<pollfd, 3> fds = {pollfd{0, 0, 0}, pollfd{1, 0, 0}, pollfd{2, 0, 0}};
  (void)sys::retry_eintr([&] { return ::poll(fds.data(), fds.size(), 0); });
  for (const pollfd& fd : fds) {
    if ((fd.revents & POLLNVAL) == 0) continue;
    TRY_ASSIGN(UniqueFd null, sys::open_path("/dev/null", O_RDWR));
    if (null.get() != fd.fd || ::fcntl(fd.fd, F_SETFD, 0) != 0)
      return fail(Code::internal, "descriptor {} is neither open nor free", fd.fd);
    (void)null.release();
  }
  return {};
}

// Its error is told only after the other way was tried: a program that is executed again does everything anew.
Result<int> run_sealed(const Verb& verb, char* const* argv, Global global, Words words) {
  Seal seal;
  TRY(seal_self(global.words, argv, seal));
  if (seal.file) global.seal = &seal;
  auto status = verb.run(global, words);
  if (!status.ok() && seal.refused) return execute_sealed(global.words).error();
  return status;
}

Result<int> run(char* const* argv, Words words) {
  TRY(fill_standard_descriptors());
  const auto parsed = parse_arguments(words, kOptions, true);
  if (!parsed.ok()) set_log_of(words);
  TRY_ASSIGN(const Arguments arguments, parsed);
  TRY_ASSIGN(Global global, apply_globals(arguments));
  global.words.assign(words.begin(), words.end());
  if (arguments.has("version")) {
    print(version());
    return 0;
  }
  if (arguments.has("help") || arguments.positional.empty() || arguments.positional[0] == "help") {
    print(help());
    return 0;
  }
  for (const Verb& verb : kVerbs) {
    if (verb.name != arguments.positional[0]) continue;
    if (arguments.positional.size() > 1 && (arguments.positional[1] == "--help" || arguments.positional[1] == "-h")) {
      print(help_of(verb.name));
      return 0;
    }
    const Words rest = Words(arguments.positional).subspan(1);
    return verb.enters_container && !must_enter(global) ? run_sealed(verb, argv, std::move(global), rest) : verb.run(global, rest);
  }
  return fail(Code::invalid_argument, "'{}' is no verb of slipway: see slipway --help", arguments.positional[0]);
}

}  // namespace

}  // namespace slipway::runtime::command

int main(int argc, char** argv) {
  using namespace slipway::runtime::command;
  // A short life: the heap grows in few steps and is never given back.
  (void)::mallopt(M_TOP_PAD, 512 * 1024);
  (void)::mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  auto status = run(argv, words);
  if (status.ok()) return status.value();
  report_error(status.error());
  return 1;
}
