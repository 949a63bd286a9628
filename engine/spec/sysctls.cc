// Which sysctls a pod may set: an allow-list per namespace; names and values are plain text without tricks.
#include "engine/spec/sysctls.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/weaken.h"

namespace slipway::engine {
namespace {

constexpr std::array<std::string_view, 8> kIpc = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                                  "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};

// "net/ipv4/conf/eth0.1/forwarding" and "net.ipv4.ip_forward": the first separator found decides (sysctl.d(5)).
std::string dotted(std::string_view name) {
  std::string out(name);
  const std::size_t first = out.find_first_of("./");
  if (first == std::string::npos || out[first] == '.') return out;
  for (char& c : out) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return out;
}

bool plain_name(std::string_view name) {
  if (name.empty() || name.size() > 256 || name.front() == '.' || name.back() == '.' || name.find("..") != std::string_view::npos)
    return false;
  if (name.find("//") != std::string_view::npos || name.find("./") != std::string_view::npos || name.find("/.") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/';
  });
}

bool plain_value(std::string_view value) {
  // '+' once joined two settings into one argument (CVE-2022-0811); control characters end a line for whoever parses it.
  if (weakened(Defence::sysctl_value)) return true;
  return value.size() <= 4096 && std::all_of(value.begin(), value.end(), [](char c) {
           return (static_cast<unsigned char>(c) >= 0x20 || c == '\t') && c != 0x7f && c != '+';
         });
}

Result<void> check_owner(const std::string& name, const NamespaceOptions& namespaces) {
  if (weakened(Defence::sysctl_owner)) return {};
  if (name.rfind("net.", 0) == 0) {
    if (namespaces.network != NamespaceMode::node) return {};
    return fail(Code::invalid_argument, "sysctl '{}' would change the host: the pod uses the host's network", name);
  }
  if (name.rfind("fs.mqueue.", 0) == 0 || std::find(kIpc.begin(), kIpc.end(), name) != kIpc.end()) {
    if (namespaces.ipc != NamespaceMode::node) return {};
    return fail(Code::invalid_argument, "sysctl '{}' would change the host: the pod uses the host's IPC", name);
  }
  if (name == "kernel.domainname") {
    if (namespaces.network != NamespaceMode::node) return {};
    return fail(Code::invalid_argument, "sysctl '{}' would change the host: the pod uses the host's names", name);
  }
  return fail(Code::invalid_argument, "sysctl '{}' belongs to no namespace of a pod", name);
}

}  // namespace

Result<std::map<std::string, std::string>> check_sysctls(const PodSpec& pod) {
  std::map<std::string, std::string> checked;
  for (const auto& [given, value] : pod.sysctls) {
    const std::string name = dotted(given);
    if (!plain_name(name)) return fail(Code::invalid_argument, "sysctl '{}' is not a name", given);
    if (!plain_value(value)) return fail(Code::invalid_argument, "the value of sysctl '{}' holds a control character or '+'", name);
    TRY(check_owner(name, pod.security.namespaces));
    if (!checked.emplace(name, value).second) return fail(Code::invalid_argument, "sysctl '{}' is given twice", name);
  }
  return checked;
}

}  // namespace slipway::engine
