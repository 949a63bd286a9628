// slipway features: what this runtime can do (runtime-spec features.md).
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "oci/json.h"
#include "runtime/capabilities.h"
#include "runtime/command/command.h"

namespace slipway::runtime::command {
namespace {

constexpr std::string_view kNamespaces[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
constexpr std::string_view kMountOptions[] = {
    "async",        "atime",      "bind",       "defaults",    "dev",        "diratime",      "dirsync",        "exec",
    "idmap",        "iversion",   "lazytime",   "loud",        "mand",       "noatime",       "nodev",          "nodiratime",
    "noexec",       "noiversion", "nolazytime", "nomand",      "norelatime", "nostrictatime", "nosuid",         "nosymfollow",
    "private",      "ratime",     "rbind",      "rdev",        "rdiratime",  "relatime",      "remount",        "rexec",
    "ridmap",       "rnoatime",   "rnodev",     "rnodiratime", "rnoexec",    "rnorelatime",   "rnostrictatime", "rnosuid",
    "rnosymfollow", "ro",         "rprivate",   "rrelatime",   "rro",        "rrw",           "rshared",        "rslave",
    "rstrictatime", "rsuid",      "rsymfollow", "runbindable", "rw",         "shared",        "silent",         "slave",
    "strictatime",  "suid",       "symfollow",  "sync",        "tmpcopyup",  "unbindable",
};
constexpr std::string_view kHooks[] = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
constexpr std::string_view kActions[] = {"SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
                                         "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                                         "SCMP_ACT_NOTIFY",       "SCMP_ACT_TRACE",       "SCMP_ACT_TRAP"};
constexpr std::string_view kOperators[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",       "SCMP_CMP_LE",
                                           "SCMP_CMP_LT", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ"};
constexpr unsigned long kWaitKillable = 1UL << 5;  // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, younger than our headers
constexpr std::string_view kFlags[] = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
                                       "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
constexpr std::string_view kMemoryModes[] = {"MPOL_DEFAULT",        "MPOL_PREFERRED",          "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL",
                                             "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"};
constexpr std::string_view kMemoryFlags[] = {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES", "MPOL_F_NUMA_BALANCING"};
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

// The kernel looks at the flags before the program: EFAULT where it knows them, EINVAL where not.
std::vector<std::string_view> supported_flags() {
  constexpr std::pair<std::string_view, unsigned long> kBits[] = {{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
                                                                  {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
                                                                  {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
                                                                  {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", kWaitKillable}};
  std::vector<std::string_view> out;
  for (const auto& [name, bit] : kBits) {
    // Only together with a listener has it a meaning.
    const unsigned long flags = bit == kWaitKillable ? bit | SECCOMP_FILTER_FLAG_NEW_LISTENER : bit;
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) != 0 && errno == EFAULT) out.push_back(name);
  }
  return out;
}

}  // namespace

Result<int> features_verb(const Global&, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, {}, false));
  TRY(no_more_than(arguments, 0));
  const std::string seccomp =
      fmt::format(R"({{"enabled":true,"actions":{},"operators":{},"archs":{},"knownFlags":{},"supportedFlags":{}}})", array(kActions),
                  array(kOperators), array(kArchitectures), array(kFlags), array(supported_flags()));
  print(fmt::format(
      R"({{"ociVersionMin":"1.0.0","ociVersionMax":"{}","hooks":{},"mountOptions":{},)"
      R"("linux":{{"namespaces":{},"capabilities":{},)"
      R"("cgroup":{{"v1":false,"v2":true,"systemd":true,"systemdUser":false,"rdma":true}},"seccomp":{},)"
      R"("apparmor":{{"enabled":true}},"selinux":{{"enabled":true}},"intelRdt":{{"enabled":true,"schemata":true,"monitoring":true}},)"
      R"("memoryPolicy":{{"modes":{},"flags":{}}},"mountExtensions":{{"idmap":{{"enabled":true}}}},)"
      R"("netDevices":{{"enabled":true}}}},"annotations":{{"io.slipway.version":"{}","org.opencontainers.runc.checkpoint.enabled":"true"}},"potentiallyUnsafeConfigAnnotations":["org.systemd.property.","org.criu.config"]}})"
      "\n",
      kSpecVersion, array(kHooks), array(kMountOptions), array(kNamespaces), array(all_capability_names()), seccomp, array(kMemoryModes),
      array(kMemoryFlags), kVersion));
  return 0;
}

}  // namespace slipway::runtime::command
