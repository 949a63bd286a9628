// The table of keys and the TOML around it.
#include "slipwayd/config.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <variant>

#include "base/log.h"
#include "base/text.h"
#include "slipwayd/runtime_config.h"
#include "slipwayd/toml.h"
#include "sys/file.h"

namespace slipway::daemon {
namespace {

using Strings = std::vector<std::string>;
using Field = std::variant<std::string Config::*, std::uint32_t Config::*, Strings Config::*>;

struct Key {
  std::string_view table;  // "" = top level
  std::string_view name;
  Field field;
  std::string_view comment;  // lines without "# "
};

const Key kKeys[] = {
    {"", "root", &Config::root, "Images, containers' writable layers and the records of pods. Must survive a reboot."},
    {"", "state", &Config::state, "Sockets of slipwayd and of the pods' monitors, bundles. A tmpfs: gone after a reboot."},
    {"", "listen", &Config::listen, "The CRI socket, as unix:///PATH. Empty: slipway.sock in `state`."},
    {"", "cgroup_driver", &Config::cgroup_driver,
     "Who makes cgroups: \"cgroupfs\" (slipway itself) or \"systemd\" (slices and scopes); the same in the kubelet. Drain the node to "
     "change it."},
    {"", "default_runtime", &Config::default_runtime, "The runtime handler of pods that name none; see [runtimes.NAME] below."},
    {"", "netns_directory", &Config::netns_directory, "Where pods' network namespaces are pinned; CNI plugins and Multus look there."},
    {"", "seccomp_profile_root", &Config::seccomp_profile_root, "Where Localhost seccomp profiles with relative names are."},
    {"cni", "conf_dir", &Config::cni_conf_dir, "The first configuration in alphabetical order is used; it may appear later."},
    {"cni", "bin_dirs", &Config::cni_bin_dirs, "Where plugins are, in the order of searching."},
    {"cni", "timeout", &Config::cni_timeout, "Seconds that all plugins of one pod may take for one verb."},
    {"cni", "conf_template", &Config::cni_conf_template,
     "A configuration list with {{.PodCIDR}}, {{.PodCIDRRanges}} or {{.Routes}} in it, written to conf_dir/10-slipway.conflist when the "
     "kubelet tells the node's pod CIDR. Empty: others write the configuration."},
    {"containerd", "socket", &Config::containerd_socket,
     "unix:///PATH of a second socket, with CRI and what cAdvisor, in the kubelet too, asks of containerd: pods' network statistics and "
     "the "
     "labels of /metrics/cadvisor. It looks at unix:///run/containerd/containerd.sock. Empty: none."},
    {"log", "level", &Config::log_level, "\"debug\", \"info\", \"warn\" or \"error\"."},
    {"log", "format", &Config::log_format, "\"text\" or \"json\", on stderr."},
    {"programs", "monitor", &Config::monitor_program, "slipway-monitor. Empty: beside slipwayd, or in ../libexec/slipway from there."},
    {"programs", "image", &Config::image_program, "slipway-image. Empty: as above."},
    {"programs", "criu", &Config::criu_program, "CRIU, for checkpoints of containers. Empty: \"criu\" in PATH, if it is there."},
    {"streaming", "listen", &Config::streaming_listen,
     "ADDRESS:PORT of the server behind Exec, Attach and PortForward; port 0: one that is free. Without TLS: keep it on loopback."},
    {"streaming", "idle_timeout", &Config::streaming_idle, "Seconds without a byte in either direction after which a stream is closed."},
    {"streaming", "creation_timeout", &Config::streaming_creation, "Seconds that a client has to open all streams of a session."},
    {"streaming", "tls_certificate", &Config::streaming_tls_certificate,
     "Certificate chain (PEM) of that server: its URLs begin with https://. The kubelet wants it valid for ADDRESS by the system's "
     "authorities. Read again when the files change. Empty: plain HTTP."},
    {"streaming", "tls_key", &Config::streaming_tls_key, "The certificate's private key (PEM); it may be the same file."},
    {"streaming", "tls_client_ca", &Config::streaming_tls_client_ca,
     "Authorities (PEM) one of which has to have certified each client. The kubelet shows no certificate to a runtime. Empty: the URL's "
     "token is enough."},
    {"workers", "reads", &Config::read_workers, "Threads at most for calls that only read records."},
    {"workers", "operations", &Config::operation_workers, "Threads at most for calls that make, start and remove."},
    {"workers", "waits", &Config::wait_workers, "Threads at most for calls that may take long: stops, execs, pulls."},
    {"workers", "queue", &Config::queue, "Calls of each kind that may wait for a thread; more are refused with RESOURCE_EXHAUSTED."},
    {"pods", "annotations", &Config::pod_annotations,
     "Which annotations of pods are honoured: ulimits (ulimits.slipway.io/NAME), umask, unified-cgroup, devices, shm-size (each "
     "NAME.crio.io)."},
    {"pods", "devices", &Config::pod_devices, "Devices of the host that an annotation may give to containers."},
    {"pods", "cdi_directories", &Config::cdi_directories,
     "Where the Container Device Interface's files are; a device of a later directory counts before the same of an earlier one."},
    {"images", "insecure_registries", &Config::insecure_registries,
     "Registries, as HOST or HOST:PORT, that may be spoken to by plain HTTP or with certificates that cannot be verified. The loopback may "
     "always be spoken to by HTTP."},
    {"images", "ca_file", &Config::registry_ca_file, "Certificates (PEM) of authorities to trust beside the system's. Empty: none."},
    {"images", "signature_policy", &Config::signature_policy,
     "What may be pulled, as containers-policy.json(5) says, for example /etc/containers/policy.json; read again for each pull. Of its "
     "requirements slipway verifies sigstoreSigned with public keys; what it cannot verify it refuses. Empty: everything may be pulled."},
};

struct TableComment {
  std::string_view table, comment;
};
constexpr TableComment kTables[] = {
    {"cni", "The pod network."},
    {"containerd", "For clients that know containerd alone."},
    {"log", "slipwayd's own log; containers' logs are where the kubelet wants them."},
    {"programs", "The other programs of slipway."},
    {"streaming", "kubectl exec, attach and port-forward."},
    {"workers", "How many calls are worked on at once."},
    {"pods", "What pods may ask for."},
    {"images", "Pulling images."},
};

std::string name_of(const Key& key) {
  return key.table.empty() ? std::string(key.name) : fmt::format("{}.{}", key.table, key.name);
}

const Key* find_key(std::string_view table, std::string_view name) {
  for (const Key& key : kKeys)
    if (key.table == table && key.name == name) return &key;
  return nullptr;
}

bool is_table(std::string_view name) {
  for (const auto& table : kTables)
    if (table.table == name) return true;
  return false;
}

// What goes wrong is collected: one start shows every mistake of a file.
class Reader {
 public:
  Reader(std::string_view file, Config& config) : file_(file), config_(config) {}

  void read(std::string_view table, const toml::table& values) {
    for (const auto& [key, node] : values) {
      const toml::table* inner = node.as_table();
      if (table.empty() && inner != nullptr && is_table(key.str())) {
        read(key.str(), *inner);
        continue;
      }
      if (table.empty() && inner != nullptr && key.str() == "runtimes") {
        config_.runtimes = read_runtimes(*inner, [this](std::size_t line, const std::string& what) { complain(line, what); });
        continue;
      }
      const Key* known = find_key(table, key.str());
      if (known == nullptr) {
        complain(key.source().begin.line, fmt::format("unknown key '{}{}{}'", table, table.empty() ? "" : ".", key.str()));
      } else {
        set(*known, node);
      }
    }
  }

  // One a line, in the order of the file.
  std::string complaints() const {
    std::string out;
    for (const auto& [line, what] : complaints_) out += fmt::format("{}{}:{}: {}", out.empty() ? "" : "\n", file_, line, what);
    return out;
  }

 private:
  void complain(std::size_t line, const std::string& what) { complaints_.emplace(line, what); }

  void set(const Key& key, const toml::node& node) {
    const auto line = node.source().begin.line;
    if (const auto* text = std::get_if<std::string Config::*>(&key.field)) {
      if (!node.is_string()) return complain(line, fmt::format("{} wants a string", name_of(key)));
      config_.*(*text) = node.as_string()->get();
    } else if (const auto* number = std::get_if<std::uint32_t Config::*>(&key.field)) {
      const auto* value = node.as_integer();
      if (value == nullptr || value->get() < 1 || value->get() > 1'000'000)
        return complain(line, fmt::format("{} wants a number from 1 to 1000000", name_of(key)));
      config_.*(*number) = static_cast<std::uint32_t>(value->get());
    } else {
      set_list(key, std::get<Strings Config::*>(key.field), node);
    }
  }

  void set_list(const Key& key, Strings Config::*field, const toml::node& node) {
    const auto* array = node.as_array();
    Strings values;
    if (array != nullptr)
      for (const auto& item : *array)
        if (item.is_string()) values.push_back(item.as_string()->get());
    if (array == nullptr || values.size() != array->size())
      return complain(node.source().begin.line, fmt::format("{} wants a list of strings", name_of(key)));
    config_.*field = std::move(values);
  }

  std::string_view file_;
  Config& config_;
  std::multimap<std::size_t, std::string> complaints_;  // by line
};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string value_of(const Config& config, const Key& key) {
  if (const auto* text = std::get_if<std::string Config::*>(&key.field)) return quoted(config.*(*text));
  if (const auto* number = std::get_if<std::uint32_t Config::*>(&key.field)) return std::to_string(config.*(*number));
  std::string out;
  for (const auto& item : config.*std::get<Strings Config::*>(key.field)) out += (out.empty() ? "" : ", ") + quoted(item);
  return "[" + out + "]";
}

Result<void> check_absolute(std::string_view name, const std::string& path) {
  if (!path.empty() && path[0] == '/' && path.find('\0') == std::string::npos) return {};
  return fail(Code::invalid_argument, "{}: '{}' is not an absolute path", name, path);
}

Result<void> check_readable(std::string_view name, const std::string& path) {
  if (path.empty()) return {};
  TRY(check_absolute(name, path));
  return ::access(path.c_str(), R_OK) == 0 ? Result<void>() : fail_errno(errno, "{}: '{}'", name, path);
}

Result<void> check_images(const Config& config) {
  for (const auto& registry : config.insecure_registries)
    if (registry.empty() || registry.find_first_of("/ \t") != std::string::npos)
      return fail(Code::invalid_argument, "images.insecure_registries: '{}' is not of the form HOST or HOST:PORT", registry);
  TRY(check_readable("images.ca_file", config.registry_ca_file));
  return check_readable("images.signature_policy", config.signature_policy);
}

// Whether the files fit each other the streaming server finds out.
Result<void> check_tls(const Config& config) {
  const bool with = !config.streaming_tls_certificate.empty();
  if (with != !config.streaming_tls_key.empty())
    return fail(Code::invalid_argument, "streaming.tls_{} is missing: streaming.tls_{} is '{}'", with ? "key" : "certificate",
                with ? "certificate" : "key", with ? config.streaming_tls_certificate : config.streaming_tls_key);
  if (!with && !config.streaming_tls_client_ca.empty())
    return fail(Code::invalid_argument, "streaming.tls_client_ca: '{}' needs streaming.tls_certificate", config.streaming_tls_client_ca);
  if (with) TRY(check_absolute("streaming.tls_certificate", config.streaming_tls_certificate));
  if (with) TRY(check_absolute("streaming.tls_key", config.streaming_tls_key));
  if (!config.streaming_tls_client_ca.empty()) TRY(check_absolute("streaming.tls_client_ca", config.streaming_tls_client_ca));
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view text, std::string_view name) {
  const toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) {
    const auto& error = parsed.error();
    return fail(Code::invalid_argument, "{}:{}: {}", name, error.source().begin.line, error.description());
  }
  Config config;
  Reader reader(name, config);
  reader.read("", parsed.table());
  const std::string complaints = reader.complaints();
  if (!complaints.empty()) return fail(Code::invalid_argument, "{}", complaints);
  return config;
}

Result<Config> read_config(const std::string& path) {
  constexpr std::size_t kLimit = 1 << 20;
  TRY_ASSIGN(const std::string text, sys::read_file(path, kLimit));
  return parse_config(text, path);
}

Result<void> check(const Config& config) {
  TRY(check_absolute("root", config.root));
  TRY(check_absolute("state", config.state));
  TRY(check_absolute("netns_directory", config.netns_directory));
  TRY(check_absolute("seccomp_profile_root", config.seccomp_profile_root));
  TRY(check_absolute("cni.conf_dir", config.cni_conf_dir));
  for (const auto& dir : config.cni_bin_dirs) TRY(check_absolute("cni.bin_dirs", dir));
  if (!config.monitor_program.empty()) TRY(check_absolute("programs.monitor", config.monitor_program));
  if (!config.image_program.empty()) TRY(check_absolute("programs.image", config.image_program));
  if (!config.criu_program.empty()) TRY(check_absolute("programs.criu", config.criu_program));
  if (!config.cni_conf_template.empty()) TRY(check_absolute("cni.conf_template", config.cni_conf_template));
  TRY(check_images(config));
  const Config usual;
  for (const auto& name : config.pod_annotations)
    if (std::ranges::find(usual.pod_annotations, name) == usual.pod_annotations.end())
      return fail(Code::invalid_argument, "pods.annotations: '{}' is none of {}", name, join(usual.pod_annotations, ", "));
  for (const auto& device : config.pod_devices) TRY(check_absolute("pods.devices", device));
  for (const auto& directory : config.cdi_directories) TRY(check_absolute("pods.cdi_directories", directory));
  TRY(streaming_address(config));
  TRY(check_tls(config));
  TRY(log::parse_level(config.log_level));
  TRY(log::parse_format(config.log_format));
  constexpr std::string_view kScheme = "unix://";
  const std::string listen = listen_address(config);
  if (!listen.starts_with(kScheme)) return fail(Code::invalid_argument, "listen: '{}' is not of the form unix:///PATH", listen);
  TRY(check_absolute("listen", listen.substr(kScheme.size())));
  if (const std::string& second = config.containerd_socket; !second.empty()) {
    if (!second.starts_with(kScheme))
      return fail(Code::invalid_argument, "containerd.socket: '{}' is not of the form unix:///PATH", second);
    TRY(check_absolute("containerd.socket", second.substr(kScheme.size())));
    if (second == listen) return fail(Code::invalid_argument, "containerd.socket: '{}' is `listen` already", second);
  }
  if (config.cgroup_driver != "cgroupfs" && config.cgroup_driver != "systemd")
    return fail(Code::invalid_argument, "cgroup_driver: '{}' is none of cgroupfs, systemd", config.cgroup_driver);
  return check_runtimes(config.runtimes, config.default_runtime, config.cgroup_driver);
}

std::string default_config_text() {
  const Config config;
  std::string out =
      fmt::format("# slipway's configuration, {}. Every value here is the default; flags of slipwayd override it.\n", kDefaultConfigPath);
  std::string_view table;
  for (const Key& key : kKeys) {
    if (key.table != table) {
      table = key.table;
      for (const auto& comment : kTables)
        if (comment.table == table) out += fmt::format("\n# {}\n[{}]\n", comment.comment, table);
    }
    out += fmt::format("\n# {}\n{} = {}\n", key.comment, key.name, value_of(config, key));
  }
  return out + runtimes_example();
}

std::string to_json(const Config& config) {
  nlohmann::json out = nlohmann::json::object();
  for (const Key& key : kKeys) {
    nlohmann::json value;
    std::visit([&](const auto field) { value = config.*field; }, key.field);
    if (key.table.empty()) {
      out[std::string(key.name)] = value;
    } else {
      out[std::string(key.table)][std::string(key.name)] = value;
    }
  }
  out["runtimes"] = to_json(config.runtimes);
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<StreamingAddress> streaming_address(const Config& config) {
  const std::string& text = config.streaming_listen;
  const auto colon = text.rfind(':');
  StreamingAddress out;
  const auto bad = [&](const char* why) { return fail(Code::invalid_argument, "streaming.listen: '{}' {}", text, why); };
  if (colon == std::string::npos) return bad("is not of the form ADDRESS:PORT");
  out.address = text.substr(0, colon);
  if (out.address.size() > 2 && out.address.front() == '[' && out.address.back() == ']')
    out.address = out.address.substr(1, out.address.size() - 2);
  const auto port = to_number<std::uint16_t>(std::string_view(text).substr(colon + 1));
  if (!port) return bad("has no port from 0 to 65535");
  out.port = *port;
  in6_addr binary{};
  if (::inet_pton(out.address.find(':') == std::string::npos ? AF_INET : AF_INET6, out.address.c_str(), &binary) != 1)
    return bad("has no IP address");
  return out;
}

std::string listen_address(const Config& config) {
  return config.listen.empty() ? "unix://" + config.state + "/slipway.sock" : config.listen;
}

}  // namespace slipway::daemon
