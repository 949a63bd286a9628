// slipway features: what this runtime can do (runtime-spec features.md).
#include "oci/json.h"
#include "runtime/capabilities.h"
#include "runtime/command/command.h"

namespace slipway::runtime::command {
namespace {

constexpr std::string_view kNamespaces[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
constexpr std::string_view kMountOptions[] = {
    "async",        "atime",         "bind",       "defaults",    "dev",       "diratime",    "dirsync", "exec",        "idmap",
    "lazytime",     "loud",          "mand",       "noatime",     "nodev",     "nodiratime",  "noexec",  "nolazytime",  "nomand",
    "norelatime",   "nostrictatime", "nosuid",     "nosymfollow", "private",   "ratime",      "rbind",   "ridmap",      "rdev",
    "rdiratime",    "relatime",      "rexec",      "rnoatime",    "rnodev",    "rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime",
    "rnosuid",      "rnosymfollow",  "ro",         "rprivate",    "rrelatime", "rro",         "rrw",     "rshared",     "rslave",
    "rstrictatime", "rsuid",         "rsymfollow", "runbindable", "rw",        "shared",      "silent",  "slave",       "strictatime",
    "suid",         "symfollow",     "sync",       "unbindable",
};
constexpr std::string_view kArchitectures[] = {"SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32"};

template <class Items>
std::string array(const Items& items) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    oci::json::append_quoted(out, item);
  }
  return out + "]";
}

}  // namespace

Result<int> features_verb(const Global&, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, {}, false));
  print(fmt::format(R"({{"ociVersionMin":"1.0.0","ociVersionMax":"{}","mountOptions":{},"linux":{{"namespaces":{},"capabilities":{},)"
                    R"("cgroup":{{"v1":false,"v2":true,"systemd":false,"systemdUser":false,"rdma":false}},)"
                    R"("seccomp":{{"enabled":true,"archs":{}}},"apparmor":{{"enabled":true}},"selinux":{{"enabled":false}},)"
                    R"("mountExtensions":{{"idmap":{{"enabled":true}}}}}}}})"
                    "\n",
                    kSpecVersion, array(kMountOptions), array(kNamespaces), array(all_capability_names()), array(kArchitectures)));
  return 0;
}

}  // namespace slipway::runtime::command
