// The files that a pod's containers share: generated from the pod's configuration, or the host's copied.
#include "engine/pod_files.h"

#include <algorithm>
#include <string_view>

#include "base/weaken.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kFileLimit = 1 << 20;

bool one_word(std::string_view text) {
  if (weakened(Defence::control_characters)) return true;
  return !text.empty() && text.size() <= 1024 &&
         std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
}

Result<void> check_words(std::string_view field, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    if (!one_word(word)) return fail(Code::invalid_argument, "{} '{}' is not one word", field, word);
  return {};
}

std::string join(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += " " + word;
  return line;
}

// A host without the file gives an empty one.
Result<std::string> host_copy(const std::string& path) {
  auto text = sys::read_file(path, kFileLimit);
  if (!text.ok() && text.error().code == Code::not_found) return std::string();
  return text;
}

// The root of a pod with a user namespace may write to its files as any other.
Result<void> own_as_pod(const NamespaceOptions& namespaces, FdRef dir, const char* name) {
  if (!namespaces.userns) return {};
  const auto root_of = [](const std::vector<oci::IdMapping>& mappings) {
    for (const oci::IdMapping& mapping : mappings)
      if (mapping.container_id == 0) return mapping.host_id;
    return 0U;
  };
  if (::fchownat(dir.get(), name, root_of(namespaces.uid_mappings), root_of(namespaces.gid_mappings), AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno(errno, "change the owner of '{}'", name);
  return {};
}

}  // namespace

Result<void> check_pod_text(const PodSpec& spec) {
  if (!spec.hostname.empty()) {
    const bool valid = one_word(spec.hostname) && spec.hostname.size() <= 64 && spec.hostname.find('/') == std::string::npos;
    if (!valid) return fail(Code::invalid_argument, "hostname '{}' is not a name of up to 64 characters", spec.hostname);
  }
  TRY(check_words("dns server", spec.dns.servers));
  TRY(check_words("dns search", spec.dns.searches));
  TRY(check_words("dns option", spec.dns.options));
  if (!spec.log_directory.empty() && (spec.log_directory.front() != '/' || spec.log_directory.find("/../") != std::string::npos ||
                                      spec.log_directory.find('\0') != std::string::npos))
    return fail(Code::invalid_argument, "log directory '{}' is not an absolute path", spec.log_directory);
  return {};
}

std::string render_resolv_conf(const DnsConfig& dns) {
  std::string text;
  if (!dns.searches.empty()) text += "search" + join(dns.searches) + "\n";
  for (const std::string& server : dns.servers) text += "nameserver " + server + "\n";
  if (!dns.options.empty()) text += "options" + join(dns.options) + "\n";
  return text;
}

std::string render_hosts(const std::string& hostname, const std::vector<std::string>& ips) {
  std::string text =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::\tip6-localnet\n"
      "ff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  for (const std::string& ip : ips) text += ip + "\t" + hostname + "\n";
  return text;
}

std::string pod_hostname(const PodRecord& pod, const std::string& host) {
  if (pod.spec.security.namespaces.network == NamespaceMode::node) return host;
  return pod.spec.hostname.empty() ? pod.id.substr(0, 12) : pod.spec.hostname;
}

Result<void> write_pod_files(const PodSpec& spec, const PodPaths& paths, const std::string& hostname, const std::vector<std::string>& ips) {
  TRY_ASSIGN(const UniqueFd dir, sys::open_path(paths.files, O_RDONLY | O_DIRECTORY));
  std::string resolv = render_resolv_conf(spec.dns);
  const bool empty_dns = spec.dns.servers.empty() && spec.dns.searches.empty() && spec.dns.options.empty();
  if (!spec.dns.set || empty_dns) {
    TRY_ASSIGN(resolv, host_copy("/etc/resolv.conf"));
  }
  std::string hosts = render_hosts(hostname, ips);
  if (spec.security.namespaces.network == NamespaceMode::node) {
    TRY_ASSIGN(hosts, host_copy("/etc/hosts"));
  }
  const std::pair<const char*, std::string> files[] = {{"resolv.conf", resolv}, {"hosts", hosts}, {"hostname", hostname + "\n"}};
  for (const auto& [name, text] : files) {
    TRY(sys::replace_file(dir, name, text, 0644));
    TRY(own_as_pod(spec.security.namespaces, dir, name));
  }
  return {};
}

}  // namespace slipway::engine
