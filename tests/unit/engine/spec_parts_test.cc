// The pure rules of the spec builder, each alone: users, capabilities, sysctls, signals, resources, pod files.
#include <catch2/catch.hpp>

#include "engine/pod_files.h"
#include "engine/spec/builder.h"
#include "engine/spec/capabilities.h"
#include "engine/spec/signals.h"
#include "engine/spec/sysctls.h"
#include "engine/spec/user.h"

using namespace slipway;
using namespace slipway::engine;

namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a comment\n"
    "www-data:x:33:33::/var/www:/bin/false\n"
    "default-user:x:1000:1000::/home/u:/bin/sh\n"
    "4294967296:x:0:0::/:/bin/sh\n"
    "evil:x:70:70::/x\x01y:/bin/sh\n";
constexpr std::uint64_t kAll = (1ULL << 41) - 1;
constexpr const char* kGroup = "root:x:0:\nwww-data:x:33:\nstaff:x:50000:default-user,www-data\n";

Result<ResolvedUser> resolve(const SecurityContext& security, const std::string& image_user) {
  return resolve_user(security, image_user, kPasswd, kGroup);
}

}  // namespace

TEST_CASE("the image's user is a number, a name, or both with a group", "[engine]") {
  const auto check = [](const std::string& text, std::uint32_t uid, std::uint32_t gid) {
    const auto user = resolve({}, text);
    INFO(text);
    REQUIRE(user.ok());
    CHECK(user.value().uid == uid);
    CHECK(user.value().gid == gid);
  };
  check("", 0, 0);
  check("1002", 1002, 0);
  check("www-data", 33, 33);
  check("1003:1004", 1003, 1004);
  check("www-data:1004", 33, 1004);
  check("1000", 1000, 1000);
  check("1000:staff", 1000, 50000);
  CHECK(resolve({}, "www-data").value().home == "/var/www");
}

TEST_CASE("a number out of range is an error, whatever passwd calls it", "[engine][attack]") {
  for (const char* text : {"2147483648", "4294967296", "4294968296", "-1", "18446744073709551616", "+5"}) {
    INFO(text);
    const auto user = resolve({}, text);
    REQUIRE_FALSE(user.ok());
    CHECK(user.error().code == Code::invalid_argument);
    SecurityContext security;
    security.run_as_username = text;
    CHECK_FALSE(resolve(security, "").ok());
  }
  SecurityContext security;
  security.run_as_user = std::int64_t{1} << 32;
  CHECK_FALSE(resolve(security, "").ok());
  security.run_as_user = -1;
  CHECK_FALSE(resolve(security, "").ok());
}

TEST_CASE("a name that looks like a number stays a number", "[engine][attack]") {
  const auto user = resolve_user({}, "1000", "1000:x:0:0::/:/bin/sh\n", "");
  REQUIRE(user.ok());
  CHECK(user.value().uid == 1000);
  CHECK(user.value().gid == 0);
}

TEST_CASE("run_as_* goes before the image, a missing name is an error", "[engine]") {
  SecurityContext security;
  security.run_as_username = "nobody-here";
  CHECK_FALSE(resolve(security, "").ok());
  security.run_as_username = "www-data";
  CHECK(resolve(security, "1000").value().uid == 33);
  security.run_as_group = 7;
  CHECK(resolve(security, "1000").value().gid == 7);
  security = {};
  security.run_as_group = 7;
  CHECK_FALSE(resolve(security, "1000").ok());
  security.run_as_user = 0;
  CHECK(resolve(security, "1000").value().gid == 7);
  CHECK_FALSE(resolve({}, "www-data:nogroup").ok());
}

TEST_CASE("supplementary groups are merged or strict, the primary group always among them", "[engine][attack]") {
  SecurityContext security;
  security.supplemental_groups = {5, 1000, 5};
  CHECK(resolve(security, "1000").value().additional_gids == std::vector<std::uint32_t>{1000, 50000, 5});
  security.supplemental_groups_policy = SupplementalGroupsPolicy::strict;
  CHECK(resolve(security, "1000").value().additional_gids == std::vector<std::uint32_t>{1000, 5});
  security.supplemental_groups = {-1};
  CHECK_FALSE(resolve(security, "1000").ok());
}

TEST_CASE("a home with control characters is not taken", "[engine][attack]") {
  CHECK(resolve({}, "evil").value().home.empty());
}

TEST_CASE("capabilities: defaults, ALL, names with and without CAP_", "[engine]") {
  SecurityContext security;
  auto sets = plan_capabilities(security, kAll).take();
  CHECK(sets.bounding.size() == 14);
  CHECK(sets.effective == sets.bounding);
  CHECK(sets.permitted == sets.bounding);
  CHECK(sets.inheritable.empty());
  CHECK(sets.ambient.empty());

  security.drop_capabilities = {"ALL"};
  security.add_capabilities = {"NET_ADMIN", "cap_sys_time"};
  CHECK(plan_capabilities(security, kAll).take().bounding == std::vector<std::string>{"CAP_NET_ADMIN", "CAP_SYS_TIME"});
  security.drop_capabilities = {"CAP_CHOWN"};
  security.add_capabilities = {"all"};
  CHECK(plan_capabilities(security, kAll).take().bounding.size() == 40);
  CHECK(plan_capabilities(security, (1ULL << 38) - 1).take().bounding.size() == 37);
  security.add_capabilities = {"NO_SUCH"};
  CHECK_FALSE(plan_capabilities(security, kAll).ok());
  security = {};
  security.privileged = true;
  CHECK(plan_capabilities(security, kAll).take().effective.size() == 41);
  CHECK(plan_capabilities(security, kAll & ~(1ULL << 24)).take().effective.size() == 40);  // nested: what is not held cannot be given
  security.add_capabilities = {"SYS_RESOURCE"};
  CHECK(plan_capabilities(security, kAll & ~(1ULL << 24)).error().code == Code::failed_precondition);
}

TEST_CASE("ambient capabilities come only from their own list", "[engine]") {
  SecurityContext security;
  security.drop_capabilities = {"ALL"};
  security.add_ambient_capabilities = {"NET_BIND_SERVICE"};
  const auto sets = plan_capabilities(security, kAll).take();
  CHECK(sets.ambient == std::vector<std::string>{"CAP_NET_BIND_SERVICE"});
  CHECK(sets.inheritable == sets.ambient);  // the kernel wants it there too
  CHECK(sets.permitted == sets.ambient);
}

TEST_CASE("only sysctls of the pod's own namespaces pass", "[engine][attack]") {
  PodSpec pod;
  pod.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "0"}, {"kernel.shm_rmid_forced", "1"}, {"net/ipv4/conf/eth0.1/forwarding", "1"}};
  const auto checked = check_sysctls(pod);
  REQUIRE(checked.ok());
  CHECK(checked.value().count("net.ipv4.conf.eth0/1.forwarding") == 1);

  const auto refused = [](const std::string& name, const std::string& value, const NamespaceOptions& namespaces = {}) {
    PodSpec one;
    one.sysctls = {{name, value}};
    one.security.namespaces = namespaces;
    INFO(name << " = " << value);
    CHECK_FALSE(check_sysctls(one).ok());
  };
  refused("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/bin/x");
  refused("kernel.shm_rmid_forced", "1\nkernel.core_pattern=x");
  refused("kernel.core_pattern", "x");
  refused("vm.swappiness", "1");
  refused("net.../x", "1");
  refused("net.ipv4.x+y", "1");
  refused("net/../kernel/core_pattern", "x");
  refused("kernel/core_pattern", "x");
  NamespaceOptions host_network, host_ipc;
  host_network.network = NamespaceMode::node;
  host_ipc.ipc = NamespaceMode::node;
  refused("net.ipv4.ip_forward", "1", host_network);
  refused("kernel.shmmax", "1", host_ipc);
  refused("fs.mqueue.msg_max", "1", host_ipc);
}

TEST_CASE("signals by name and number", "[engine]") {
  CHECK(parse_signal("SIGTERM").value() == 15);
  CHECK(parse_signal("term").value() == 15);
  CHECK(parse_signal("9").value() == 9);
  CHECK(parse_signal("SIGRTMIN+3").value() == 37);
  CHECK(signal_name(37) == "SIGRTMIN+3");
  CHECK(signal_name(parse_signal("SIGQUIT").value()) == "SIGQUIT");
  for (const char* bad : {"", "SIGNOPE", "0", "65", "15x", "SIGRTMIN+99", "SIGRTMIN-1"}) {
    INFO(bad);
    CHECK_FALSE(parse_signal(bad).ok());
  }
}

TEST_CASE("resources: no swap without a swap limit, zero huge pages mean nothing", "[engine]") {
  HostFacts host;
  host.swap_accounting = true;
  LinuxResources asked;
  asked.memory_limit_in_bytes = 512 << 20;
  asked.hugepage_limits = {{"2MB", 0}, {"1GB", 0}};
  auto planned = plan_resources(asked, host).take();
  CHECK(planned.memory->limit == 512 << 20);
  CHECK(planned.memory->swap == 512 << 20);
  CHECK(planned.hugepage_limits.empty());
  asked.hugepage_limits = {{"2MB", 4 << 20}};
  CHECK(plan_resources(asked, host).error().code == Code::failed_precondition);
  host.hugepage_sizes = {"2MB"};
  CHECK(plan_resources(asked, host).take().hugepage_limits.size() == 1);
  asked.memory_swap_limit_in_bytes = 1;
  CHECK_FALSE(plan_resources(asked, host).ok());
  asked.memory_swap_limit_in_bytes = 1 << 30;
  CHECK(plan_resources(asked, host).take().memory->swap == 1 << 30);
  host.swap_accounting = false;
  CHECK_FALSE(plan_resources(asked, host).take().memory->swap.has_value());
  asked = {};
  planned = plan_resources(asked, host).take();
  CHECK_FALSE(planned.memory.has_value());
  CHECK_FALSE(planned.cpu.has_value());
}

TEST_CASE("unified names files of controllers and nothing else", "[engine][attack]") {
  LinuxResources asked;
  asked.unified = {{"pids.max", "1024"}, {"memory.oom.group", "1"}};
  CHECK(plan_resources(asked, {}).take().unified.at("pids.max") == "1024");
  for (const char* bad : {"cgroup.procs", "../memory.max", "memory.max/x", "", "procs", ".x"}) {
    INFO(bad);
    LinuxResources wrong;
    wrong.unified = {{bad, "1"}};
    CHECK_FALSE(plan_resources(wrong, {}).ok());
  }
}

TEST_CASE("nothing with control characters becomes a line of a pod's file", "[engine][attack]") {
  PodSpec pod;
  pod.hostname = "web";
  pod.dns = {{"10.0.0.10"}, {"a.svc", "svc"}, {"ndots:5"}, true};
  CHECK(check_pod_text(pod).ok());
  CHECK(render_resolv_conf(pod.dns) == "search a.svc svc\nnameserver 10.0.0.10\noptions ndots:5\n");
  const auto refused = [](auto change) {
    PodSpec wrong;
    change(wrong);
    CHECK_FALSE(check_pod_text(wrong).ok());
  };
  refused([](PodSpec& p) { p.hostname = "a\nb"; });
  refused([](PodSpec& p) { p.hostname = std::string(65, 'a'); });
  refused([](PodSpec& p) { p.dns.servers = {"1.1.1.1\nnameserver 6.6.6.6"}; });
  refused([](PodSpec& p) { p.dns.searches = {"a b"}; });
  refused([](PodSpec& p) { p.dns.options = {""}; });
  refused([](PodSpec& p) { p.log_directory = "/var/log/../../etc"; });
}
