// slipwayd: opens the rooms in order, serves, stops in order. The one file that knows every room.
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/fault.h"
#include "base/log.h"
#include "cri/server.h"
#include "engine/engine.h"
#include "engine/host_facts.h"
#include "image/store.h"
#include "network/cni.h"
#include "slipwayd/config.h"
#include "slipwayd/host.h"
#include "slipwayd/listen.h"
#include "slipwayd/notify.h"
#include "slipwayd/programs.h"
#include "slipwayd/runtime_config.h"
#include "streaming/server.h"
#include "sys/file.h"

namespace slipway::daemon {
namespace {

constexpr auto kGrace = std::chrono::seconds(2);   // for calls that run when the end comes
constexpr auto kLatest = std::chrono::seconds(5);  // then the process goes whatever it waits for
constexpr timespec kTrimInterval{20, 0};
constexpr int kExitUsage = 2;

struct Flags {
  std::string config = kDefaultConfigPath;
  bool config_given = false;
  std::vector<std::pair<std::string Config::*, std::string>> values;  // given on the command line
  std::vector<std::string> cni_bin_dirs;
};

// A file that was asked for has to be there; the default one need not.
Result<Config> load(const Flags& flags) {
  auto config = read_config(flags.config);
  if (!config.ok() && config.error().code == Code::not_found && !flags.config_given) config = Config();
  if (!config.ok()) return config;
  Config value = std::move(config).take();
  for (const auto& [field, text] : flags.values) value.*field = text;
  if (!flags.cni_bin_dirs.empty()) value.cni_bin_dirs = flags.cni_bin_dirs;
  TRY(check(value));
  return value;
}

// The default one under its own name too.
std::vector<cri::HandlerFacts> handlers_of(const engine::RuntimeHandlers& runtimes) {
  std::vector<cri::HandlerFacts> out(1);
  for (const engine::RuntimeHandler& handler : runtimes.all) {
    out.push_back({handler.name, handler.recursive_read_only_mounts, handler.user_namespaces});
    if (handler.name == runtimes.default_name) out.front() = {"", handler.recursive_read_only_mounts, handler.user_namespaces};
  }
  return out;
}

cri::Facts facts_of(const Config& config, const engine::RuntimeHandlers& runtimes, const engine::Condition& host) {
  cri::Facts facts;
  facts.version = SLIPWAY_VERSION;
  facts.cgroup_driver = config.cgroup_driver;
  facts.runtime_handlers = handlers_of(runtimes);
  facts.supplemental_groups_policy = true;
  facts.mount_options = true;
  facts.runtime = host;
  facts.configuration = to_json(config);
  return facts;
}

// A proxy is the one thing of slipwayd's own environment that pulling needs.
std::vector<std::string> proxy_environment() {
  std::vector<std::string> out;
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
    if (const char* value = ::getenv(name); value != nullptr && *value != '\0') out.push_back(std::string(name) + "=" + value);
  return out;
}

// Declared in the order of making: destroyed in reverse.
struct Rooms {
  std::unique_ptr<engine::Images> images;
  std::unique_ptr<engine::Network> network;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<streaming::Server> streams;
  std::unique_ptr<cri::Server> server;
};

Result<std::unique_ptr<engine::Images>> open_images(const Config& config) {
  image::StoreOptions options;
  options.root = config.root + "/images";
  TRY_ASSIGN(options.worker_program, find_program("slipway-image", config.image_program));
  options.insecure_registries = config.insecure_registries;
  options.ca_file = config.registry_ca_file;
  options.signature_policy = config.signature_policy;
  options.worker_environment = proxy_environment();
  return image::open_store(std::move(options));
}

Result<std::unique_ptr<engine::Network>> open_network(const Config& config) {
  network::CniOptions options;
  options.conf_dir = config.cni_conf_dir;
  options.bin_dirs = config.cni_bin_dirs;
  options.timeout = std::chrono::seconds(config.cni_timeout);
  options.intent_dir = config.root + "/cni";
  options.conf_template = config.cni_conf_template;
  return network::open_cni(std::move(options));
}

Result<std::unique_ptr<engine::Engine>> open_engine(const Config& config, engine::RuntimeHandlers runtimes, Rooms& rooms) {
  engine::EngineOptions options;
  options.root = config.root;
  options.state = config.state;
  options.netns_directory = config.netns_directory;
  options.cgroup_driver = config.cgroup_driver;
  options.seccomp_localhost_root = config.seccomp_profile_root;
  options.monitors_enter_network = !config.containerd_socket.empty();
  options.runtimes = std::move(runtimes);
  options.criu_program = config.criu_program;
  options.cdi_directories = config.cdi_directories;
  options.annotations = {config.pod_annotations, config.pod_devices};
  options.most_relabelling = std::max(config.operation_workers / 2, 1U);
  TRY_ASSIGN(options.monitor_program, find_program("slipway-monitor", config.monitor_program));
  return engine::Engine::open(std::move(options), *rooms.images, *rooms.network);
}

Result<std::unique_ptr<streaming::Server>> open_streams(const Config& config, engine::Engine& engine) {
  TRY_ASSIGN(const StreamingAddress at, streaming_address(config));
  streaming::ServerOptions options;
  options.address = at.address;
  options.port = at.port;
  options.idle = std::chrono::seconds(config.streaming_idle);
  options.creation = std::chrono::seconds(config.streaming_creation);
  options.tls = {config.streaming_tls_certificate, config.streaming_tls_key, config.streaming_tls_client_ca};
  return streaming::Server::start(std::move(options), engine);
}

Result<void> open_rooms(const Config& config, const engine::Condition& host, Rooms& rooms) {
  TRY(sys::make_directories(config.root, 0700));
  TRY(sys::make_directories(config.state, 0711));
  const std::string address = listen_address(config);
  TRY(clear_socket(address));  // another slipwayd is noticed before its pods are touched
  if (!config.containerd_socket.empty()) TRY(clear_socket(config.containerd_socket));
  TRY_ASSIGN(rooms.images, open_images(config));
  TRY_ASSIGN(rooms.network, open_network(config));
  TRY_ASSIGN(const engine::RuntimeHandlers runtimes,
             open_runtimes(config.runtimes, config.default_runtime, config.cgroup_driver, config.state));
  TRY_ASSIGN(rooms.engine, open_engine(config, runtimes, rooms));
  TRY_ASSIGN(rooms.streams, open_streams(config, *rooms.engine));
  cri::ServerOptions options;
  options.streams = rooms.streams.get();
  options.listen = address;
  options.containerd_listen = config.containerd_socket;
  options.facts = facts_of(config, runtimes, host);
  options.workers = {config.read_workers, config.operation_workers, config.wait_workers, config.queue};
  TRY_ASSIGN(rooms.server, cri::Server::start(std::move(options), *rooms.engine, *rooms.images, *rooms.network));
  if (!config.containerd_socket.empty()) TRY(restrict_socket(config.containerd_socket));
  return restrict_socket(address);
}

// An end that waits for a call which does not return is no end: what is recorded survives _exit as it survives a kill.
class Deadline {
 public:
  explicit Deadline(std::chrono::seconds after) : thread_([this, after] { run(after); }) {}
  ~Deadline() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void run(std::chrono::seconds after) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, after, [this] { return done_; })) return;
    log::warn("calls still run after {} s; going without them", after.count());
    ::_exit(0);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

void tell(std::string_view state) {
  if (const auto told = notify(state); !told.ok()) log::warn("{}", told.error().message);
}

sigset_t ending_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

// Returns at the signal that ends slipwayd. Between signals the heap's free pages go back to the kernel: a burst of work (a node's
// start, big execs) does not stay in memory for good.
void wait_for_end() {
  const sigset_t set = ending_signals();
  for (;;) {
    const int signal = ::sigtimedwait(&set, nullptr, &kTrimInterval);
    if (signal < 0) {
      if (errno == EAGAIN) (void)::malloc_trim(0);
      continue;
    }
    if (signal == SIGHUP) {
      log::warn("SIGHUP: the configuration is read at the start only; restart slipwayd, pods go on");
      continue;
    }
    log::info("{}: stopping; pods go on under their monitors", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    return;
  }
}

void announce(const Config& config, const engine::Condition& host, const Rooms& rooms) {
  const auto found = rooms.engine->snapshot();
  log::info("slipwayd {} listens on {}: {} pods and {} containers from before, root {}, state {}, cgroup driver {}", SLIPWAY_VERSION,
            listen_address(config), found->pods.size(), found->containers.size(), config.root, config.state, config.cgroup_driver);
  if (!host.status) log::warn("not ready for pods: {}", host.message);
  const engine::Condition network = rooms.network->ready();
  if (!network.status) log::warn("pods get no network (those of the host's do): {}", network.message);
}

Result<void> serve(const Config& config) {
  TRY_ASSIGN(const auto level, log::parse_level(config.log_level));
  TRY_ASSIGN(const auto format, log::parse_format(config.log_format));
  log::set_level(level);
  log::set_format(format);
  if (::geteuid() != 0) return fail(Code::permission_denied, "slipwayd makes namespaces, mounts and cgroups: it has to be started as root");
  if (const char* faults = ::getenv("SLIPWAY_FAULTS"); faults != nullptr && *faults == '/') fault::arm(faults);  // tests only
  const sigset_t set = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // before the first thread: all inherit it, sigwait takes them
  (void)std::signal(SIGPIPE, SIG_IGN);
  ::umask(0022);
  Rooms rooms;
  const engine::Condition host = host_condition();
  TRY(open_rooms(config, host, rooms));
  announce(config, host, rooms);
  (void)::malloc_trim(0);  // what starting needed is not needed again
  tell("READY=1");
  wait_for_end();
  tell("STOPPING=1");
  const Deadline deadline(kLatest);
  rooms.server->stop(kGrace);
  rooms.streams->stop();
  rooms.engine->shut_down();
  return {};
}

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option_function<std::string>(
         "--config",
         [&flags](const std::string& path) {
           flags.config = path;
           flags.config_given = true;
         },
         "Configuration file; else " + std::string(kDefaultConfigPath) + " if it is there")
      ->type_name("FILE");
  const auto add = [&](const char* name, std::string Config::*field, const char* what, const char* type) {
    app.add_option_function<std::string>(
           name, [&flags, field](const std::string& text) { flags.values.emplace_back(field, text); }, what)
        ->type_name(type);
  };
  add("--listen", &Config::listen, "The CRI socket", "unix:///PATH");
  add("--root", &Config::root, "Images, writable layers, records", "DIR");
  add("--state", &Config::state, "Sockets and bundles, gone after a reboot", "DIR");
  add("--cni-conf-dir", &Config::cni_conf_dir, "CNI configuration", "DIR");
  app.add_option("--cni-bin-dir", flags.cni_bin_dirs, "CNI plugins; may be repeated")->type_name("DIR")->allow_extra_args(false);
  add("--cgroup-driver", &Config::cgroup_driver, "cgroupfs or systemd", "DRIVER");
  add("--streaming-listen", &Config::streaming_listen, "Where exec, attach and port-forward are streamed; port 0: a free one",
      "ADDRESS:PORT");
  add("--log-level", &Config::log_level, "debug, info, warn or error", "LEVEL");
  add("--log-format", &Config::log_format, "text or json", "FORMAT");
}

// A file may have several mistakes, one a line.
int wrong_usage(const Error& error) {
  std::istringstream lines(error.message);
  for (std::string line; std::getline(lines, line);) log::error("{}", line);
  return kExitUsage;
}

int run(int argc, char** argv) {
  CLI::App app("slipwayd: the CRI server of slipway, a container runtime for Kubernetes.", "slipwayd");
  app.set_version_flag("--version", std::string("slipwayd ") + SLIPWAY_VERSION, "Print the version and exit");
  app.footer(
      "Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage or configuration. Flags override the configuration file.");
  app.failure_message(
      [](const CLI::App*, const CLI::Error& error) { return fmt::format("slipwayd: {}\n`slipwayd --help` tells more.\n", error.what()); });
  Flags flags;
  add_flags(app, flags);
  auto* config_verb = app.add_subcommand("config", "About the configuration file");
  config_verb->require_subcommand(1);
  auto* default_verb = config_verb->add_subcommand("default", "Print the default configuration with comments");
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError&) {
    return wrong_usage(fail(Code::invalid_argument, "config: say what: slipwayd config default"));
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to say it
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (default_verb->parsed()) {
    const auto printed = sys::write_all(FdRef(STDOUT_FILENO), default_config_text());
    return printed.ok() ? 0 : 1;
  }
  const auto config = load(flags);
  if (!config.ok()) return wrong_usage(config.error());
  const auto served = serve(config.value());
  if (served.ok()) return 0;
  log::error("{}", served.error().message);
  return 1;
}

}  // namespace
}  // namespace slipway::daemon

int main(int argc, char** argv) {
  // An arena a thread would cost megabytes each; slipwayd's threads allocate little at once.
  (void)::mallopt(M_ARENA_MAX, 2);
  return slipway::daemon::run(argc, argv);
}
