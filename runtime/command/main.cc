// slipway: the OCI runtime's command line. Global flags, then a verb.
#include <malloc.h>

#include "base/log.h"
#include "runtime/command/command.h"
#include "runtime/command/sealed_self.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {
    {"root", "", true},      {"log", "", true},    {"log-format", "", true}, {"debug", "", false}, {"systemd-cgroup", "", false},
    {"version", "v", false}, {"help", "h", false}, {"rootless", "", true},
};

struct Verb {
  std::string_view name;
  Result<int> (*run)(const Global&, Words);
  bool enters_container;  // its binary may be seen from inside
  std::string_view help;
};

constexpr Verb kVerbs[] = {
    {"create", create_verb, true, "ID: make a container from a bundle; its program waits for start"},
    {"start", start_verb, false, "ID: let the program begin"},
    {"run", run_verb, true, "ID: create and start"},
    {"state", state_verb, false, "ID: its state as JSON"},
    {"kill", kill_verb, false, "ID [SIGNAL]: a signal to its first process (--all: to every one)"},
    {"delete", delete_verb, false, "ID: take away what is left of it"},
    {"exec", exec_verb, true, "ID PROGRAM [ARG…]: a further process in it"},
    {"list", list_verb, false, "all containers"},
    {"ps", ps_verb, false, "ID: its processes"},
    {"pause", pause_verb, false, "ID: freeze it"},
    {"resume", resume_verb, false, "ID: go on"},
    {"spec", spec_verb, false, "write a config.json to begin with"},
    {"features", features_verb, false, "what this runtime can do, as JSON"},
};

std::string usage() {
  std::string out =
      "usage: slipway [--root DIR] [--log FILE] [--log-format text|json] [--debug] [--systemd-cgroup] VERB [FLAG…] [ARG…]\n"
      "Runs containers from OCI bundles with the command line of runc.\n\n";
  for (const Verb& verb : kVerbs) out += fmt::format("  {:<9} {}\n", verb.name, verb.help);
  return out;
}

std::string version() {
  return fmt::format("slipway version {}\nspec: {}\n", kVersion, kSpecVersion);
}

Result<Global> apply_globals(const Arguments& arguments) {
  Global global;
  global.root = arguments.value("root", global.root);
  if (!global.root.starts_with('/')) return fail(Code::invalid_argument, "--root: '{}' is not absolute", global.root);
  if (arguments.has("systemd-cgroup")) global.manager = CgroupManager::systemd;
  if (arguments.value("rootless", "auto") == "true") return fail(Code::unimplemented, "--rootless is not supported");
  const std::string format = arguments.value("log-format", "text");
  if (format != "text" && format != "json") return fail(Code::invalid_argument, "--log-format: '{}' is neither text nor json", format);
  set_error_log(arguments.value("log"), format == "json");
  if (arguments.has("debug")) log::set_level(log::Level::debug);
  return global;
}

Result<int> run(Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, true));
  TRY_ASSIGN(const Global global, apply_globals(arguments));
  if (arguments.has("version")) {
    print(version());
    return 0;
  }
  if (arguments.has("help") || arguments.positional.empty() || arguments.positional[0] == "help") {
    print(usage());
    return 0;
  }
  for (const Verb& verb : kVerbs) {
    if (verb.name != arguments.positional[0]) continue;
    if (verb.enters_container) TRY(seal_self(words));
    return verb.run(global, Words(arguments.positional).subspan(1));
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
  auto status = run(words);
  if (status.ok()) return status.value();
  report_error(status.error());
  return 1;
}
