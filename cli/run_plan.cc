// Reading `slipctl run`'s flags.
#include "cli/run_plan.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace slipway::cli {
namespace {

constexpr std::int64_t kCpuPeriod = 100'000;  // microseconds

// What the kubelet sends for a container that is not privileged.
constexpr const char* kMasked[] = {"/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
                                   "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                                   "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap"};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

template <class Number>
Result<Number> parse_number(std::string_view what, std::string_view text, Number least, Number most) {
  Number out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || !(out >= least && out <= most))  // not a number is neither
    return fail(Code::invalid_argument, "{}: '{}' is no number from {} to {}", what, text, least, most);
  return out;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  for (std::size_t start = 0;;) {
    const std::size_t end = text.find(at, start);
    out.push_back(text.substr(start, end - start));
    if (end == std::string::npos) return out;
    start = end + 1;
  }
}

// "registry/path/web:1@sha256:…" → "web": the beginning of a pod's name.
std::string name_of_image(std::string image) {
  image.resize(std::min(image.size(), image.find('@')));
  image.erase(0, image.rfind('/') == std::string::npos ? 0 : image.rfind('/') + 1);
  image.resize(std::min(image.size(), image.find(':')));
  std::string out;
  for (const char c : image) {
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out += std::isalnum(static_cast<unsigned char>(lower)) != 0 ? lower : '-';
  }
  return out.empty() ? "pod" : out.substr(0, 40);
}

Result<void> add_port(const std::string& text, v1::PodSandboxConfig* pod) {
  auto parts = split(text, '/');
  auto* mapping = pod->add_port_mappings();
  if (parts.size() > 2) return fail(Code::invalid_argument, "--publish: '{}' is not of the form [IP:]HOST:CONTAINER[/PROTOCOL]", text);
  const std::string protocol = parts.size() == 2 ? parts[1] : "tcp";
  if (protocol == "tcp")
    mapping->set_protocol(v1::TCP);
  else if (protocol == "udp")
    mapping->set_protocol(v1::UDP);
  else if (protocol == "sctp")
    mapping->set_protocol(v1::SCTP);
  else
    return fail(Code::invalid_argument, "--publish: protocol '{}' is none of tcp, udp, sctp", protocol);
  const std::string ports = parts[0];
  const auto last = ports.rfind(':');
  if (last == std::string::npos)
    return fail(Code::invalid_argument, "--publish: '{}' is not of the form [IP:]HOST:CONTAINER[/PROTOCOL]", text);
  std::string host = ports.substr(0, last);
  if (const auto colon = host.rfind(':'); colon != std::string::npos) {
    std::string address = host.substr(0, colon);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']') address = address.substr(1, address.size() - 2);
    mapping->set_host_ip(address);
    host.erase(0, colon + 1);
  }
  TRY_ASSIGN(const int host_port, parse_number<int>("--publish", host, 1, 65535));
  TRY_ASSIGN(const int container_port, parse_number<int>("--publish", ports.substr(last + 1), 1, 65535));
  mapping->set_host_port(host_port);
  mapping->set_container_port(container_port);
  return {};
}

Result<void> add_volume(const std::string& text, v1::ContainerConfig* container) {
  const auto parts = split(text, ':');
  const bool mode_known = parts.size() < 3 || parts[2] == "ro" || parts[2] == "rw";
  if (parts.size() < 2 || parts.size() > 3 || !mode_known || !parts[0].starts_with('/') || !parts[1].starts_with('/'))
    return fail(Code::invalid_argument, "--volume: '{}' is not of the form /HOST:/CONTAINER[:ro]", text);
  auto* mount = container->add_mounts();
  mount->set_host_path(parts[0]);
  mount->set_container_path(parts[1]);
  mount->set_readonly(parts.size() == 3 && parts[2] == "ro");
  return {};
}

Result<void> add_environment(const std::string& text, v1::ContainerConfig* container) {
  const auto equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (name.empty()) return fail(Code::invalid_argument, "--env: '{}' has no name", text);
  const char* inherited = equals == std::string::npos ? ::getenv(name.c_str()) : nullptr;
  if (equals == std::string::npos && inherited == nullptr) return {};  // as elsewhere: what is not set here is not set there
  auto* env = container->add_envs();
  env->set_key(name);
  env->set_value(equals == std::string::npos ? inherited : text.substr(equals + 1));
  return {};
}

Result<void> set_user(const std::string& user, v1::LinuxContainerSecurityContext* security) {
  if (user.empty()) return {};
  const auto parts = split(user, ':');
  const bool numeric = parts[0].find_first_not_of("0123456789") == std::string::npos && !parts[0].empty();
  if (parts.size() > 2 || (parts.size() == 2 && !numeric))
    return fail(Code::invalid_argument, "--user: '{}' is not of the form UID[:GID] or NAME", user);
  if (!numeric) {
    security->set_run_as_username(user);
    return {};
  }
  TRY_ASSIGN(const auto uid, parse_number<std::int64_t>("--user", parts[0], 0, 4294967294));
  security->mutable_run_as_user()->set_value(uid);
  if (parts.size() < 2) return {};
  TRY_ASSIGN(const auto gid, parse_number<std::int64_t>("--user", parts[1], 0, 4294967294));
  security->mutable_run_as_group()->set_value(gid);
  return {};
}

Result<void> set_resources(const RunOptions& options, v1::LinuxContainerResources* resources) {
  if (!options.memory.empty()) {
    TRY_ASSIGN(const std::int64_t bytes, parse_bytes(options.memory));
    resources->set_memory_limit_in_bytes(bytes);
  }
  if (!options.cpus.empty()) {
    TRY_ASSIGN(const double cpus, parse_number<double>("--cpus", options.cpus, 0.01, 4096));
    resources->set_cpu_period(kCpuPeriod);
    resources->set_cpu_quota(std::llround(cpus * static_cast<double>(kCpuPeriod)));
    resources->set_cpu_shares(std::max<std::int64_t>(2, std::llround(cpus * 1024)));
  }
  if (!options.pids.empty()) {
    TRY_ASSIGN(const auto pids, parse_number<std::int64_t>("--pids", options.pids, 1, 4194304));
    (*resources->mutable_unified())["pids.max"] = std::to_string(pids);
  }
  return {};
}

Result<void> set_security(const RunOptions& options, v1::NamespaceMode network, v1::LinuxContainerSecurityContext* security) {
  security->set_privileged(options.privileged);
  security->set_readonly_rootfs(options.read_only);
  security->set_no_new_privs(options.no_new_privileges);
  for (const auto& name : options.capabilities_added) security->mutable_capabilities()->add_add_capabilities(name);
  for (const auto& name : options.capabilities_dropped) security->mutable_capabilities()->add_drop_capabilities(name);
  security->mutable_namespace_options()->set_network(network);
  security->mutable_namespace_options()->set_pid(v1::CONTAINER);
  security->mutable_seccomp()->set_profile_type(options.privileged ? v1::SecurityProfile::Unconfined : v1::SecurityProfile::RuntimeDefault);
  if (!options.privileged) {
    for (const char* path : kMasked) security->add_masked_paths(path);
    for (const char* path : kReadOnly) security->add_readonly_paths(path);
  }
  return set_user(options.user, security);
}

Result<void> plan_pod(const RunOptions& options, const std::string& uid, v1::NamespaceMode network, v1::PodSandboxConfig* pod) {
  const std::string name = options.name.empty() ? name_of_image(options.image) + "-" + uid.substr(0, 5) : options.name;
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != std::string::npos || name.size() > 63)
    return fail(Code::invalid_argument, "--name: '{}' has a character that is none of a-z 0-9 - . or is longer than 63", name);
  pod->mutable_metadata()->set_name(name);
  pod->mutable_metadata()->set_uid(uid);
  pod->mutable_metadata()->set_namespace_("default");
  if (network == v1::POD) pod->set_hostname(options.hostname.empty() ? name : options.hostname);
  pod->set_log_directory(fmt::format("/var/log/pods/default_{}_{}", name, uid));
  for (const auto& port : options.ports) TRY(add_port(port, pod));
  auto& labels = *pod->mutable_labels();
  for (const auto& label : options.labels) {
    const auto equals = label.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Code::invalid_argument, "--label: '{}' is not of the form KEY=VALUE", label);
    labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  labels["io.kubernetes.pod.name"] = name;
  labels["io.kubernetes.pod.namespace"] = "default";
  labels["io.kubernetes.pod.uid"] = uid;
  labels[kMadeByLabel] = "slipctl";
  auto* security = pod->mutable_linux()->mutable_security_context();
  security->mutable_namespace_options()->set_network(network);
  security->mutable_namespace_options()->set_pid(v1::CONTAINER);
  security->mutable_seccomp()->set_profile_type(options.privileged ? v1::SecurityProfile::Unconfined : v1::SecurityProfile::RuntimeDefault);
  security->set_privileged(options.privileged);
  return {};
}

}  // namespace

Result<std::int64_t> parse_bytes(const std::string& text) {
  constexpr std::string_view kUnits = "kmgt";
  std::string_view number = text;
  if (number.ends_with('b') || number.ends_with('B')) number.remove_suffix(1);
  if (number.ends_with('i')) number.remove_suffix(1);
  int shift = 0;
  if (!number.empty()) {
    const auto unit = kUnits.find(static_cast<char>(std::tolower(static_cast<unsigned char>(number.back()))));
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      number.remove_suffix(1);
    }
  }
  const auto value = parse_number<std::int64_t>("size", number, 1, INT64_MAX >> shift);
  if (!value.ok()) return fail(Code::invalid_argument, "--memory: '{}' is no size: a number with k, m, g or nothing after it", text);
  return value.value() << shift;
}

Result<RunPlan> plan_run(const RunOptions& options, const std::string& uid) {
  if (options.network != "pod" && options.network != "host")
    return fail(Code::invalid_argument, "--net: '{}' is none of pod, host", options.network);
  const auto network = options.network == "host" ? v1::NODE : v1::POD;
  if (network == v1::NODE && !options.ports.empty())
    return fail(Code::invalid_argument, "--publish: a pod on the host's network has the host's ports already");
  RunPlan plan;
  TRY(plan_pod(options, uid, network, &plan.pod));
  auto& container = plan.container;
  container.mutable_metadata()->set_name(plan.pod.metadata().name());
  container.mutable_image()->set_user_specified_image(options.image);
  for (const auto& word : options.entrypoint) container.add_command(word);
  for (const auto& word : options.command) container.add_args(word);
  container.set_working_dir(options.working_directory);
  for (const auto& env : options.environment) TRY(add_environment(env, &container));
  for (const auto& volume : options.volumes) TRY(add_volume(volume, &container));
  *container.mutable_labels() = plan.pod.labels();
  (*container.mutable_labels())["io.kubernetes.container.name"] = container.metadata().name();
  container.set_log_path(container.metadata().name() + "/0.log");
  TRY(set_resources(options, container.mutable_linux()->mutable_resources()));
  TRY(set_security(options, network, container.mutable_linux()->mutable_security_context()));
  return plan;
}

}  // namespace slipway::cli
