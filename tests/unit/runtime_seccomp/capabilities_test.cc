// Capability sets → masks.
#include "runtime/capabilities.h"

#include <linux/capability.h>
#include <sys/capability.h>

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::runtime;

TEST_CASE("names and numbers agree with the kernel's header", "[capabilities]") {
  CHECK(capability_number("CAP_CHOWN") == CAP_CHOWN);
  CHECK(capability_number("CAP_NET_RAW") == CAP_NET_RAW);
  CHECK(capability_number("CAP_SYS_ADMIN") == CAP_SYS_ADMIN);
  CHECK(capability_number("CAP_SYSLOG") == CAP_SYSLOG);
  CHECK(capability_number("CAP_CHECKPOINT_RESTORE") == CAP_CHECKPOINT_RESTORE);
  CHECK_FALSE(capability_number("NET_RAW"));
  CHECK_FALSE(capability_number("cap_net_raw"));
  CHECK(capability_name(CAP_AUDIT_READ) == "CAP_AUDIT_READ");
  CHECK(capability_name(63).empty());
  REQUIRE(all_capability_names().size() == CAP_LAST_CAP + 1);
  for (int n = 0; n <= CAP_LAST_CAP; ++n) {
    // libcap is the oracle.
    cap_value_t value = -1;
    const std::string name = all_capability_names()[static_cast<std::size_t>(n)];
    REQUIRE(cap_from_name(name.c_str(), &value) == 0);
    CHECK(value == n);
  }
}

TEST_CASE("the five masks", "[capabilities]") {
  oci::Capabilities sets;
  sets.bounding = {"CAP_CHOWN", "CAP_KILL"};
  sets.permitted = {"CAP_CHOWN"};
  sets.effective = {"CAP_CHOWN"};
  sets.inheritable = {"CAP_CHOWN"};
  sets.ambient = {"CAP_CHOWN"};
  const auto m = capability_masks(sets, CAP_LAST_CAP);
  REQUIRE(m.ok());
  CHECK(m.value().bounding == ((1U << CAP_CHOWN) | (1U << CAP_KILL)));
  CHECK(m.value().permitted == 1U << CAP_CHOWN);
  CHECK(m.value().effective == 1U << CAP_CHOWN);
  CHECK(m.value().inheritable == 1U << CAP_CHOWN);
  CHECK(m.value().ambient == 1U << CAP_CHOWN);
  CHECK(capability_masks(std::nullopt, CAP_LAST_CAP).value().bounding == 0);
}

TEST_CASE("a name that the kernel does not know is dropped and told", "[capabilities]") {
  oci::Capabilities sets;
  sets.bounding = {"CAP_KILL", "CAP_BPF", "CAP_FLY"};
  std::vector<std::string> dropped;
  const auto m = capability_masks(sets, CAP_AUDIT_READ, &dropped);
  REQUIRE(m.ok());
  CHECK(m.value().bounding == 1U << CAP_KILL);
  CHECK(dropped == std::vector<std::string>{"process.capabilities.bounding[1]: 'CAP_BPF' is not known to this kernel",
                                            "process.capabilities.bounding[2]: 'CAP_FLY' is not known to this kernel"});
}

TEST_CASE("sets that the kernel would refuse", "[capabilities]") {
  oci::Capabilities sets;
  sets.effective = {"CAP_KILL"};
  const auto bad = capability_masks(sets, CAP_LAST_CAP);
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message == "process.capabilities.effective: CAP_KILL is not in permitted");
  sets.permitted = {"CAP_KILL"};
  sets.ambient = {"CAP_KILL"};
  std::vector<std::string> dropped;
  const auto m = capability_masks(sets, CAP_LAST_CAP, &dropped);
  REQUIRE(m.ok());
  CHECK(m.value().ambient == 0);
  CHECK(dropped == std::vector<std::string>{"process.capabilities.ambient: CAP_KILL is not both permitted and inheritable"});
}

TEST_CASE("this kernel's last capability", "[capabilities]") {
  const auto last = last_capability();
  REQUIRE(last.ok());
  CHECK(last.value() >= CAP_AUDIT_READ);
}
