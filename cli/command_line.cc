// The only file that knows CLI11.
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

namespace slipway::cli {
namespace {

constexpr std::string_view kCodesAndNames =
    "Exit codes: 0 done, 1 failed, 2 wrong usage. `run`, `exec` and `attach` exit with the command's own code; 125 when slipway failed,\n"
    "126 when the command cannot be executed, 127 when no program of its name is found, 124 when --timeout ended it.\n"
    "Pods and containers are named by name, by id or by the beginning of an id.\n";

// Without descriptions: help shows the unit, an error the bounds.
const CLI::Validator kSeconds = CLI::Range(0L, 31'536'000L).description("");  // a year
const CLI::Validator kCount = CLI::Range(0L, 1'000'000'000L).description("");

// As main prints errors.
std::string describe(const CLI::App* /*app*/, const CLI::Error& error) {
  return fmt::format("slipctl: {}\n`slipctl --help` tells more.\n", error.what());
}

// What the flags of all verbs are stored in while they are parsed; the verb's closure keeps it alive.
struct Values {
  PullOptions pull;
  RunOptions run;
  LogsOptions logs;
  ExecOptions exec;
  std::vector<std::string> names;
  std::string path, name;
  long grace = 10;
  bool all = false, force = false, no_input = false;
};

class Parser {
 public:
  Parser() : app_("Inspects and drives slipway, the container runtime, on this machine.", "slipctl") {
    app_.footer(fmt::format("{}`slipctl VERB --help` tells more.", kCodesAndNames));
    app_.require_subcommand(1);
    add_tls();
    app_.failure_message(describe);
    app_.set_version_flag("--version", std::string("slipctl ") + SLIPWAY_VERSION, "Print slipctl's own version and exit");
    app_.add_option("--endpoint", line_.endpoint, "slipwayd's socket")
        ->envname("SLIPWAY_ENDPOINT")
        ->default_val(kDefaultEndpoint)
        ->type_name("URL");
    app_.add_option("-o,--output", output_, "How to print")->check(CLI::IsMember({"table", "json"}))->default_val("table");
    add_about();
    add_images();
    add_lists();
    add_run();
    add_run_limits();
    add_inside();
    add_ends();
    for (CLI::App* verb : app_.get_subcommands({}))
      for (CLI::Option* option : verb->get_options())
        if (option->get_positional() && option->get_type_name() == "TEXT") option->type_name("");  // the name says it
  }

  CommandLine parse(std::vector<std::string> arguments) {
    mark_command(arguments);
    const std::vector<std::string> given = arguments;
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::RequiredError& error) {
      line_.verb = nullptr;
      line_.exit_code = report(fail(Code::invalid_argument, "{}", what_is_missing(given, error.what())), kExitUsage);
    } catch (const CLI::ParseError& error) {  // CLI11 has no other way to say it
      line_.verb = nullptr;
      line_.exit_code = app_.exit(error) == 0 ? 0 : kExitUsage;
    }
    line_.json = output_ == "json";
    return std::move(line_);
  }

 private:
  CLI::App* add(const char* name, const char* what, std::function<Result<int>(Session&, Values&)> verb) {
    auto* sub = app_.add_subcommand(name, what);
    sub->fallthrough();
    sub->footer(fmt::format("{}With every verb: --endpoint URL and -o table|json, see `slipctl --help`.", kCodesAndNames));
    sub->callback(
        [this, verb = std::move(verb)] { line_.verb = [values = values_, verb](Session& session) { return verb(session, *values); }; });
    return sub;
  }

  void add_tls() {
    const char* what = "Where exec, attach and port-forward go by TLS: ";
    const auto add_file = [&](const char* name, std::string& into, const char* meaning) {
      return app_.add_option(name, into, std::string(what) + meaning)->type_name("FILE")->check(CLI::ExistingFile.description(""));
    };
    add_file("--tls-ca", line_.tls.ca, "authorities to trust; else the certificate that slipwayd is configured with");
    auto* certificate = add_file("--tls-cert", line_.tls.certificate, "the certificate to show");
    add_file("--tls-key", line_.tls.key, "its key; else in the same file")->needs(certificate);
  }

  void add_about() {
    add("version", "Versions of slipctl and slipwayd", [](Session& s, Values&) { return version(s); });
    add("info", "What slipwayd says of itself", [](Session& s, Values&) { return info(s); });
    auto* inspect_verb = add("inspect", "All that is recorded of pods, containers or images, as JSON",
                             [](Session& s, Values& v) { return inspect(s, v.names); });
    inspect_verb->add_option("NAME", values_->names, "Pods, containers or images")->required();
    auto* timeline_verb = add("timeline", "Where the time of a pod's start went, drawn as a waterfall",
                              [](Session& s, Values& v) { return timeline(s, v.name); });
    timeline_verb->add_option("POD", values_->name, "A pod or container")->required();
  }

  void add_images() {
    auto* pull_verb = add("pull", "Fetch an image from its registry", [](Session& s, Values& v) { return pull(s, v.pull); });
    pull_verb->add_option("IMAGE", values_->pull.image, "[REGISTRY/]NAME[:TAG][@DIGEST]")->required();
    pull_verb->add_option("--user", values_->pull.user, "Log in to the registry")->type_name("NAME:PASSWORD");
    auto* load_verb = add("load", "Take images out of an OCI layout (folder or archive) or a docker archive",
                          [](Session& s, Values& v) { return load(s, v.path, v.name); });
    load_verb->add_option("PATH", values_->path, "The folder or archive")->required();
    load_verb->add_option("--name", values_->name, "Name the image so, whatever the archive says")->type_name("REFERENCE");
    add("images", "List images", [](Session& s, Values&) { return images(s); });
    auto* rmi_verb = add("rmi", "Remove images with all their names", [](Session& s, Values& v) { return rmi(s, v.names, v.force); });
    rmi_verb->add_option("IMAGE", values_->names, "References or ids")->required();
    rmi_verb->add_flag("-f,--force", values_->force, "Also one that containers were made of");
  }

  void add_lists() {
    auto* pods_verb = add("pods", "List pods", [](Session& s, Values& v) { return pods(s, v.all); });
    pods_verb->add_flag("-a,--all", values_->all, "Also those that are not ready");
    auto* ps_verb = add("ps", "List containers", [](Session& s, Values& v) { return ps(s, v.all); });
    ps_verb->add_flag("-a,--all", values_->all, "Also those that do not run");
    auto* stats_verb = add("stats", "What running containers use", [](Session& s, Values& v) { return stats(s, v.name); });
    stats_verb->add_option("NAME", values_->name, "A container; else all");
  }

  void add_run() {
    auto* verb =
        add("run", "Run an image's command in a pod of its own and show its output", [](Session& s, Values& v) { return run(s, v.run); });
    RunOptions& run_options = values_->run;
    auto* detach = verb->add_flag("-d,--detach", run_options.detach, "Print the pod's name and leave it running");
    verb->add_flag("--rm", run_options.remove, "Remove pod and log when the command has ended")->excludes(detach);
    verb->add_option("--name", run_options.name, "The pod's name; else one is made from the image's")->type_name("NAME");
    verb->add_option("--hostname", run_options.hostname, "Else the pod's name")->type_name("NAME");
    verb->add_option("-l,--label", run_options.labels, "Label of the pod")->type_name("KEY=VALUE")->allow_extra_args(false);
    verb->add_option("--pull", run_options.pull, "When to pull the image")
        ->check(CLI::IsMember({"missing", "always", "never"}))
        ->default_val("missing");
    verb->add_option("-e,--env", run_options.environment, "Environment variable; NAME alone: as here")
        ->type_name("NAME[=VALUE]")
        ->allow_extra_args(false);
    verb->add_option("-v,--volume", run_options.volumes, "Show a directory or file of the host inside")
        ->type_name("HOST:CONTAINER[:ro]")
        ->allow_extra_args(false);
    verb->add_option("-p,--publish", run_options.ports, "Make a port of the pod reachable at the host")
        ->type_name("[IP:]HOST:CONTAINER[/PROTOCOL]")
        ->allow_extra_args(false);
    verb->add_option("-w,--workdir", run_options.working_directory, "Directory to start in")->type_name("DIR");
    verb->add_option("--entrypoint", run_options.entrypoint, "Instead of the image's entrypoint")
        ->type_name("PROGRAM")
        ->allow_extra_args(false);
    verb->add_option("IMAGE", run_options.image, "Pulled if it is not here")->required();
    verb->add_option("COMMAND", run_options.command, "Instead of the image's own command");
    run_ = verb;
  }

  void add_run_limits() {
    RunOptions& run_options = values_->run;
    run_->add_option("--memory", run_options.memory, "Memory limit")->type_name("BYTES[k|m|g]");
    run_->add_option("--cpus", run_options.cpus, "CPU limit, 1.5 for one and a half")->type_name("NUMBER");
    run_->add_option("--pids", run_options.pids, "Limit of processes and threads")->type_name("NUMBER");
    run_->add_option("--net", run_options.network, "A network of its own or the host's")
        ->check(CLI::IsMember({"pod", "host"}))
        ->default_val("pod");
    run_->add_option("--user", run_options.user, "Who runs the command")->type_name("UID[:GID]|NAME");
    run_->add_flag("--privileged", run_options.privileged, "All capabilities and devices, no seccomp filter: root on this machine");
    run_->add_flag("--read-only", run_options.read_only, "The image's files cannot be changed");
    run_->add_flag("--no-new-privileges", run_options.no_new_privileges, "set-uid programs gain nothing");
    run_->add_option("--cap-add", run_options.capabilities_added, "Give a capability")->type_name("CAP")->allow_extra_args(false);
    run_->add_option("--cap-drop", run_options.capabilities_dropped, "Take a capability away")
        ->type_name("CAP|ALL")
        ->allow_extra_args(false);
  }

  void add_inside() {
    auto* logs_verb = add("logs", "Print a container's output", [](Session& s, Values& v) { return logs(s, v.logs); });
    logs_verb->add_option("CONTAINER", values_->logs.name, "A container, or a pod that has one")->required();
    logs_verb->add_flag("-f,--follow", values_->logs.follow, "Go on until the container ends");
    logs_verb->add_flag("-t,--timestamps", values_->logs.timestamps, "With the time of each line");
    logs_verb->add_option("-n,--tail", values_->logs.tail, "Only the last lines")->check(kCount)->type_name("LINES");
    exec_ = add("exec", "Run a command in a running container; without -i and -t its output comes when it has ended",
                [](Session& s, Values& v) { return exec(s, v.exec); });
    exec_->add_flag("-i,--interactive", values_->exec.interactive, "Give it our input; output comes as it is written");
    exec_->add_flag("-t,--tty", values_->exec.tty, "Give it a terminal; output comes as it is written");
    exec_->add_option("--timeout", values_->exec.timeout, "Kill the command after so many seconds")->check(kSeconds)->type_name("SECONDS");
    exec_->add_option("CONTAINER", values_->exec.name, "A container, or a pod that has one")->required();
    exec_->add_option("COMMAND", values_->exec.command, "The command")->required();
    auto* attach_verb = add("attach", "Connect to a running container's own input and output, from now on",
                            [](Session& s, Values& v) { return attach(s, v.name, v.no_input); });
    attach_verb->add_option("CONTAINER", values_->name, "A container, or a pod that has one")->required();
    attach_verb->add_flag("--no-stdin", values_->no_input, "Give it no input");
    auto* forward_verb = add("port-forward", "Lead ports of this machine's loopback into a pod until ^C",
                             [](Session& s, Values& v) { return port_forward(s, v.name, v.names); });
    forward_verb->add_option("POD", values_->name, "A pod, or a container of it")->required();
    forward_verb->add_option("PORT", values_->names, "A port of the pod; of this machine the same, LOCAL, or with : alone any")
        ->required()
        ->type_name("[LOCAL:]REMOTE");
  }

  void add_ends() {
    auto* stop_verb = add("stop", "Stop pods or containers", [](Session& s, Values& v) { return stop(s, v.names, v.grace); });
    stop_verb->add_option("NAME", values_->names, "Pods or containers")->required();
    stop_verb->add_option("-t,--time", values_->grace, "Until what does not end is killed")
        ->check(kSeconds)
        ->default_val(10)
        ->type_name("SECONDS");
    auto* rm_verb = add("rm", "Remove pods or containers", [](Session& s, Values& v) { return rm(s, v.names, v.force); });
    rm_verb->add_option("NAME", values_->names, "Pods or containers")->required();
    rm_verb->add_flag("-f,--force", values_->force, "Stop them first");
  }

  // A verb's argument, or the verb: of that CLI11 does not say what stands in its place.
  std::string what_is_missing(const std::vector<std::string>& arguments, const char* cli11_says) const {
    std::size_t i = 0;
    while (i < arguments.size()) {
      const std::size_t length = length_of_option(nullptr, arguments, i);
      if (length == 0) break;
      const std::string flag = arguments[i].substr(0, arguments[i].find('='));
      if (app_.get_option_no_throw(flag) == nullptr) return fmt::format("there is no flag '{}': see slipctl --help", flag);
      i += length;
    }
    if (i >= arguments.size()) return "say what to do: slipctl --help lists the verbs";
    if (!app_.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == arguments[i]; }).empty())
      return fmt::format("{}: {}: see slipctl {} --help", arguments[i], cli11_says, arguments[i]);
    return fmt::format("there is no verb '{}': slipctl --help lists them", arguments[i]);
  }

  // How many arguments an option takes from `arguments[i]` on; 0: it is none.
  std::size_t length_of_option(const CLI::App* verb, const std::vector<std::string>& arguments, std::size_t i) const {
    const std::string& text = arguments[i];
    if (text.size() < 2 || text[0] != '-' || text == "--") return 0;
    const auto takes_value = [&](const std::string& name) {
      for (const CLI::App* app : {verb, &app_}) {
        const CLI::Option* option = app == nullptr ? nullptr : app->get_option_no_throw(name);
        if (option != nullptr) return option->get_items_expected_max() > 0;
      }
      return false;
    };
    if (text[1] == '-') return text.find('=') == std::string::npos && takes_value(text) ? 2 : 1;
    for (std::size_t k = 1; k < text.size(); ++k)
      if (takes_value(std::string("-") + text[k])) return k + 1 == text.size() ? 2 : 1;
    return 1;
  }

  // `run IMAGE ls -l`: what follows the image (or container) is the command's, its dashes are not ours. CLI11 knows that from "--".
  void mark_command(std::vector<std::string>& arguments) const {
    std::size_t i = 0;
    const auto skip_options = [&](const CLI::App* verb) {
      while (i < arguments.size()) {
        const std::size_t length = length_of_option(verb, arguments, i);
        if (length == 0) return;
        i += length;
      }
    };
    skip_options(nullptr);
    if (i >= arguments.size() || (arguments[i] != "run" && arguments[i] != "exec")) return;
    const CLI::App* verb = arguments[i] == "run" ? run_ : exec_;
    ++i;
    skip_options(verb);
    if (i >= arguments.size()) return;
    const auto at = [&](std::size_t n) { return arguments.begin() + static_cast<std::ptrdiff_t>(n); };
    if (arguments[i] != "--") arguments.insert(at(i), "--");
    if (i + 2 < arguments.size() && arguments[i + 2] == "--") arguments.erase(at(i + 2));  // `exec NAME -- ls`
  }

  CommandLine line_;
  std::string output_;
  std::shared_ptr<Values> values_ = std::make_shared<Values>();
  CLI::App app_;
  CLI::App* run_ = nullptr;
  CLI::App* exec_ = nullptr;
};

}  // namespace

CommandLine parse_command_line(std::vector<std::string> arguments) {
  return Parser().parse(std::move(arguments));
}

}  // namespace slipway::cli
