// slipway features: what this runtime can do (runtime-spec features.md).
#include "oci/json.h"
#include "runtime/capabilities.h"
#include "runtime/command/command.h"

namespace slipway::runtime::command {
namespace {

constexpr std::string_view kNamespaces[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
constexpr std::string_view kMountOptions[] = {
    "async",       "atime",     "bind",        "defaults",       "dev",        "diratime",     "dirsync",    "exec",
    "idmap",       "lazytime",  "loud",        "mand",           "noatime",    "nodev",        "nodiratime", "noexec",
    "nolazytime",  "nomand",    "norelatime",  "nostrictatime",  "nosuid",     "nosymfollow",  "private",    "ratime",
    "rbind",       "ridmap",    "rdev",        "rdiratime",      "relatime",   "rexec",        "rnoatime",   "rnodev",
    "rnodiratime", "rnoexec",   "rnorelatime", "rnostrictatime", "rnosuid",    "rnosymfollow", "ro",         "rprivate",
    "rrelatime",   "rro",       "rrw",         "rshared",        "rslave",     "rstrictatime", "rsuid",      "rsymfollow",
    "runbindable", "rw",        "shared",      "silent",         "slave",      "strictatime",  "suid",       "symfollow",
    "sync",        "tmpcopyup", "unbindable",  "iversion",       "noiversion",
};
constexpr std::string_view kHooks[] = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
constexpr std::string_view kActions[] = {"SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
                                         "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                                         "SCMP_ACT_NOTIFY",       "SCMP_ACT_TRACE",       "SCMP_ACT_TRAP"};
constexpr std::string_view kOperators[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",       "SCMP_CMP_LE",
                                           "SCMP_CMP_LT", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ"};
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

}  // namespace

Result<int> features_verb(const Global&, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, {}, false));
  TRY(no_more_than(arguments, 0));
  const std::string seccomp =
      fmt::format(R"({{"enabled":true,"actions":{},"operators":{},"archs":{},"knownFlags":{},"supportedFlags":{}}})", array(kActions),
                  array(kOperators), array(kArchitectures), array(kFlags), array(kFlags));
  print(fmt::format(
      R"({{"ociVersionMin":"1.0.0","ociVersionMax":"{}","hooks":{},"mountOptions":{},)"
      R"("linux":{{"namespaces":{},"capabilities":{},)"
      R"("cgroup":{{"v1":false,"v2":true,"systemd":true,"systemdUser":false,"rdma":true}},"seccomp":{},)"
      R"("apparmor":{{"enabled":true}},"selinux":{{"enabled":false}},"intelRdt":{{"enabled":false}},)"
      R"("memoryPolicy":{{"modes":{},"flags":{}}},"mountExtensions":{{"idmap":{{"enabled":true}}}},)"
      R"("netDevices":{{"enabled":true}}}},"annotations":{{"org.opencontainers.runc.checkpoint.enabled":"true"}},"potentiallyUnsafeConfigAnnotations":[]}})"
      "\n",
      kSpecVersion, array(kHooks), array(kMountOptions), array(kNamespaces), array(all_capability_names()), seccomp, array(kMemoryModes),
      array(kMemoryFlags)));
  return 0;
}

}  // namespace slipway::runtime::command
