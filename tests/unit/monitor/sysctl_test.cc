// Sysctls of a pod may only reach what is the pod's (CVE-2022-0811).
#include <catch2/catch.hpp>

#include "monitor/pod_namespaces.h"

using namespace slipway;
using namespace slipway::monitor;

TEST_CASE("only what belongs to the pod's own namespaces may be set", "[monitor]") {
  CHECK(check_sysctl("net/ipv4/ip_forward", true, false).ok());
  CHECK(check_sysctl("kernel/shm_rmid_forced", false, true).ok());
  CHECK(check_sysctl("kernel/msgmax", false, true).ok());
  CHECK(check_sysctl("kernel/sem", false, true).ok());
  CHECK(check_sysctl("fs/mqueue/msg_max", false, true).ok());
  CHECK_FALSE(check_sysctl("net/ipv4/ip_forward", false, true).ok());
  CHECK_FALSE(check_sysctl("kernel/sem", true, false).ok());
  for (const char* path :
       {"kernel/core_pattern", "kernel/hostname", "vm/overcommit_memory", "fs/file-max", "network", "kernel/seminal", ""})
    CHECK_FALSE(check_sysctl(path, true, true).ok());
}
