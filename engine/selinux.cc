// Labels by the policy's file lxc_contexts, the pod's level and CRI's selinux_options.
#include "engine/selinux.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr std::uint32_t kCategories = 1024;
constexpr std::size_t kFileLimit = 64 << 10;
constexpr const char* kPrivilegedType = "spc_t";

// `key = "value"` lines, as both files have them; empty = not there.
std::string value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || trim(line.substr(0, equals), " \t") != key) continue;
    std::string_view value = trim(line.substr(equals + 1), " \t");
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return {};
}

Result<std::string> read_if_there(const std::string& path) {
  auto text = sys::read_file(path, kFileLimit);
  if (!text.ok() && text.error().code == Code::not_found) return std::string();
  return text;
}

// The kernel takes a label here that its policy has, and refuses others with EINVAL (security_check_context(3)).
Result<void> ask_kernel(const std::string& root, const std::string& label) {
  TRY_ASSIGN(const UniqueFd fd, sys::open_path(root + "/sys/fs/selinux/context", O_RDWR));
  const ssize_t n = ::write(fd.get(), label.c_str(), label.size() + 1);
  if (n >= 0) return {};
  if (errno == EINVAL) return fail(Code::invalid_argument, "selinux_options: '{}': the host's policy has no such label", label);
  return fail_errno(errno, "ask the kernel for the label '{}'", label);
}

// A colon in one part would be the next one's beginning; the others end or quote what the label is written into.
Result<void> check_part(const char* field, const std::string& value, std::string_view refused) {
  if (value.size() > 1024 || value.find_first_of(refused) != std::string::npos || value.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "selinux_options.{}: '{}' cannot be part of a label", field, value);
  return {};
}

Result<void> check_options(const SecurityContext& security) {
  TRY(check_part("user", security.selinux_user, ": \t\n\"\\"));
  TRY(check_part("role", security.selinux_role, ": \t\n\"\\"));
  TRY(check_part("type", security.selinux_type, ": \t\n\"\\"));
  return check_part("level", security.selinux_level, " \t\n\"\\");
}

void take_asked(const SecurityContext& security, SelinuxContext& context) {
  if (!security.selinux_user.empty()) context.user = security.selinux_user;
  if (!security.selinux_role.empty()) context.role = security.selinux_role;
  if (!security.selinux_type.empty()) context.type = security.selinux_type;
  if (!security.selinux_level.empty()) context.level = security.selinux_level;
}

bool asks(const SecurityContext& security) {
  return !security.selinux_user.empty() || !security.selinux_role.empty() || !security.selinux_type.empty() ||
         !security.selinux_level.empty();
}

// Confined, it could not reach what it was given: all the host's devices, its processes, its IPC.
bool shares_host(const PodRecord& pod, const SecurityContext& container) {
  const NamespaceOptions& namespaces = pod.spec.security.namespaces;
  return container.privileged || namespaces.pid == NamespaceMode::node || container.namespaces.pid == NamespaceMode::node ||
         namespaces.ipc == NamespaceMode::node;
}

std::string category(std::uint32_t number) {
  return "c" + std::to_string(number);
}

}  // namespace

std::string SelinuxContext::str() const {
  return user + ":" + role + ":" + type + (level.empty() ? "" : ":" + level);
}

Result<SelinuxContext> parse_selinux_context(const std::string& text) {
  std::array<std::string, 4> parts;
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts.size() && at <= text.size(); ++i) {
    const std::size_t end = i == 3 ? text.size() : std::min(text.find(':', at), text.size());
    parts[i] = text.substr(at, end - at);
    at = end + 1;
  }
  if (parts[0].empty() || parts[1].empty() || parts[2].empty()) return fail(Code::invalid_argument, "'{}' is no SELinux label", text);
  return SelinuxContext{parts[0], parts[1], parts[2], parts[3]};
}

Result<SelinuxPolicy> probe_selinux(const std::string& root) {
  SelinuxPolicy policy;
  policy.root = root;
  policy.enabled = sys::exists(root + "/sys/fs/selinux/enforce") && sys::exists(root + "/etc/selinux/config");
  if (!policy.enabled) return policy;
  TRY_ASSIGN(const std::string config, read_if_there(root + "/etc/selinux/config"));
  const std::string type = value_of(config, "SELINUXTYPE");
  if (type.empty() || type.find('/') != std::string::npos || type == "..") return policy;
  TRY_ASSIGN(const std::string contexts, read_if_there(root + "/etc/selinux/" + type + "/contexts/lxc_contexts"));
  const std::string process = value_of(contexts, "process");
  const std::string file = value_of(contexts, "file");
  if (process.empty() || file.empty()) return policy;
  TRY_ASSIGN(SelinuxContext privileged, parse_selinux_context(process));
  TRY(parse_selinux_context(file));
  for (const std::string& label : {process, file})
    if (!ask_kernel(root, label).ok()) return policy;  // a policy whose containers' part is not installed
  policy.process = process;
  policy.file = file;
  privileged.type = kPrivilegedType;
  if (ask_kernel(root, privileged.str()).ok()) policy.privileged = privileged.str();
  return policy;
}

Result<std::string> pick_level(const std::string& base, const std::set<std::string>& taken,
                               const std::function<std::uint32_t(std::uint32_t)>& random) {
  constexpr std::uint32_t kPairs = kCategories * (kCategories - 1) / 2;
  const std::string sensitivity = base.substr(0, base.find_first_of(":-"));
  const std::uint32_t first = random(kPairs);
  for (std::uint32_t i = 0; i < kPairs; ++i) {
    // The n-th pair (a, b) with a < b: 1 with b = 1, 2 with b = 2, …
    std::uint32_t n = (first + i) % kPairs, high = 1;
    while (n >= high) n -= high++;
    std::string level = sensitivity + ":" + category(n) + "," + category(high);
    if (!taken.contains(level)) return level;
  }
  return fail(Code::resource_exhausted, "all {} pairs of SELinux categories are taken by pods", kPairs);
}

Result<SelinuxLabels> pod_labels(const SelinuxPolicy& policy, const SecurityContext& pod, const std::string& level) {
  if (!policy.enabled) return SelinuxLabels{};
  TRY(check_options(pod));
  if (!policy.labels()) {
    if (!asks(pod)) return SelinuxLabels{};
    return fail(Code::failed_precondition, "selinux_options: the host's policy names no labels for containers (lxc_contexts)");
  }
  TRY_ASSIGN(SelinuxContext process, parse_selinux_context(policy.process));
  TRY_ASSIGN(SelinuxContext file, parse_selinux_context(policy.file));
  process.level = level;
  take_asked(pod, process);
  file.level = process.level;
  return SelinuxLabels{process.str(), file.str(), false};
}

Result<SelinuxLabels> container_labels(const SelinuxPolicy& policy, const PodRecord& pod, const SecurityContext& container) {
  if (!policy.enabled) return SelinuxLabels{};
  TRY(check_options(container));
  if (pod.process_label.empty()) {  // made before there were labels
    if (!asks(container)) return SelinuxLabels{};
    return fail(Code::failed_precondition, "selinux_options: pod '{}' has no label", pod.id);
  }
  TRY_ASSIGN(SelinuxContext process, parse_selinux_context(pod.process_label));
  TRY_ASSIGN(SelinuxContext file, parse_selinux_context(pod.mount_label));
  const bool confined = !container.selinux_type.empty() || !pod.spec.security.selinux_type.empty() || !shares_host(pod, container);
  if (!confined && policy.privileged.empty()) return SelinuxLabels{{}, file.str(), true};
  if (!confined) {
    TRY_ASSIGN(const SelinuxContext privileged, parse_selinux_context(policy.privileged));
    process.type = privileged.type;
    process.level = pod.spec.security.selinux_level.empty() ? privileged.level : pod.spec.security.selinux_level;
  }
  take_asked(container, process);
  if (!container.selinux_level.empty()) file.level = container.selinux_level;
  return SelinuxLabels{process.str(), file.str(), process.type == kPrivilegedType};
}

Result<void> check_labels(const SelinuxPolicy& policy, const SelinuxLabels& labels) {
  for (const std::string& label : {labels.process, labels.mount})
    if (!label.empty()) TRY(ask_kernel(policy.root, label));
  return {};
}

std::string level_of(const std::string& label) {
  const auto context = parse_selinux_context(label);
  return context.ok() ? context.value().level : std::string();
}

}  // namespace slipway::engine
