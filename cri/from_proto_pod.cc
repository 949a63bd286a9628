// RunPodSandboxRequest → PodSpec.
#include <arpa/inet.h>

#include <algorithm>

#include "cri/from_proto.h"

namespace slipway::cri {
namespace {

constexpr std::size_t kHostnameLimit = 64;  // HOST_NAME_MAX of gethostname(2)

Result<engine::PodMetadata> metadata_of(const v1::PodSandboxMetadata& metadata) {
  const std::pair<std::string_view, const std::string&> fields[] = {
      {"metadata.name", metadata.name()}, {"metadata.uid", metadata.uid()}, {"metadata.namespace", metadata.namespace_()}};
  for (const auto& [field, value] : fields) {
    if (value.empty()) return fail(Code::invalid_argument, "{}: empty", field);
    TRY(check_text(field, value));
    // They become part of CNI_ARGS, where ';' and '=' are syntax.
    if (value.find_first_of(";=/") != std::string::npos) return fail(Code::invalid_argument, "{}: '{}' has one of ; = /", field, value);
  }
  return engine::PodMetadata{metadata.name(), metadata.uid(), metadata.namespace_(), metadata.attempt()};
}

Result<engine::PortMapping> port_of(const v1::PortMapping& mapping) {
  engine::PortMapping out;
  switch (mapping.protocol()) {
    case v1::TCP: out.protocol = "tcp"; break;
    case v1::UDP: out.protocol = "udp"; break;
    case v1::SCTP: out.protocol = "sctp"; break;
    default: return fail(Code::invalid_argument, "port_mappings.protocol: {} has no meaning", static_cast<int>(mapping.protocol()));
  }
  out.container_port = mapping.container_port();
  out.host_port = mapping.host_port();
  out.host_ip = mapping.host_ip();
  if (out.container_port < 0 || out.container_port > 65535 || (out.container_port == 0 && out.host_port != 0))
    return fail(Code::invalid_argument, "port_mappings.container_port: {} is no port", out.container_port);
  if (out.host_port < 0 || out.host_port > 65535)
    return fail(Code::invalid_argument, "port_mappings.host_port: {} is no port", out.host_port);
  in6_addr address{};
  if (!out.host_ip.empty() && ::inet_pton(AF_INET, out.host_ip.c_str(), &address) != 1 &&
      ::inet_pton(AF_INET6, out.host_ip.c_str(), &address) != 1)
    return fail(Code::invalid_argument, "port_mappings.host_ip: '{}' is not an address", out.host_ip.substr(0, 64));
  return out;
}

Result<engine::DnsConfig> dns_of(const v1::PodSandboxConfig& config) {
  engine::DnsConfig out;
  out.set = config.has_dns_config();
  out.servers = to_vector(config.dns_config().servers());
  out.searches = to_vector(config.dns_config().searches());
  out.options = to_vector(config.dns_config().options());
  for (const auto* list : {&out.servers, &out.searches, &out.options})
    for (const auto& item : *list) TRY(check_text("dns_config", item));  // a newline would be a line of resolv.conf
  return out;
}

Result<std::string> hostname_of(const std::string& hostname) {
  if (hostname.size() > kHostnameLimit)
    return fail(Code::invalid_argument, "hostname: '{}' is longer than {} characters", hostname, kHostnameLimit);
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; };
  if (!std::all_of(hostname.begin(), hostname.end(), allowed))
    return fail(Code::invalid_argument, "hostname: '{}' has a character that is none of a-z A-Z 0-9 - . _", hostname);
  return hostname;
}

Result<std::map<std::string, std::string>> sysctls_of(const v1::LinuxPodSandboxConfig& config) {
  for (const auto& [name, value] : config.sysctls()) {
    const auto allowed = [](unsigned char c) {
      return std::isalnum(c) != 0 || std::string_view("._-/").find(static_cast<char>(c)) != std::string_view::npos;
    };
    if (name.empty() || !std::all_of(name.begin(), name.end(), allowed) || name.find("..") != std::string::npos)
      return fail(Code::invalid_argument, "sysctls: '{}' is no sysctl's name", name);
    for (const char c : value)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
        return fail(Code::invalid_argument, "sysctls: the value of '{}' has a control character", name);
  }
  return to_map(config.sysctls());
}

}  // namespace

Result<engine::PodSpec> from_proto(const v1::RunPodSandboxRequest& request) {
  const auto& config = request.config();
  if (config.has_windows()) return fail(Code::invalid_argument, "windows: slipway runs Linux pods only");
  engine::PodSpec out;
  TRY_ASSIGN(out.metadata, metadata_of(config.metadata()));
  TRY_ASSIGN(out.hostname, hostname_of(config.hostname()));
  out.log_directory = config.log_directory();
  TRY(check_text("log_directory", out.log_directory));
  if (!out.log_directory.empty() && out.log_directory[0] != '/')
    return fail(Code::invalid_argument, "log_directory: '{}' is not absolute", out.log_directory);
  TRY_ASSIGN(out.dns, dns_of(config));
  for (const auto& mapping : config.port_mappings()) {
    TRY_ASSIGN(engine::PortMapping port, port_of(mapping));
    out.port_mappings.push_back(std::move(port));
  }
  out.labels = to_map(config.labels());
  out.annotations = to_map(config.annotations());
  out.cgroup_parent = config.linux().cgroup_parent();
  TRY(check_text("cgroup_parent", out.cgroup_parent));
  TRY_ASSIGN(out.sysctls, sysctls_of(config.linux()));
  TRY_ASSIGN(out.security, from_proto(config.linux().security_context()));
  if (out.security.namespaces.pid == engine::NamespaceMode::target)
    return fail(Code::invalid_argument, "namespace_options.pid: a pod cannot be TARGET");
  TRY_ASSIGN(out.overhead, from_proto(config.linux().overhead()));
  TRY_ASSIGN(out.resources, from_proto(config.linux().resources()));
  out.runtime_handler = request.runtime_handler();
  return out;
}

}  // namespace slipway::cri
