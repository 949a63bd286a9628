// Attacks by what a pod asks for: sysctls, names that become lines of files, annotations.
#include <algorithm>

#include "engine/pod_files.h"
#include "engine/spec/builder.h"
#include "engine/spec/sysctls.h"
#include "tests/attack/units/polarity.h"

using namespace slipway;
using namespace slipway::engine;
using slipway::test::check_attack;

TEST_CASE("a sysctl of the whole host is none of a pod's", "[a30]") {
  for (const char* name : {"kernel.core_pattern", "kernel/core_pattern", "vm.overcommit_memory", "kernel.modprobe"})
    check_attack("sysctl_owner", [&] {
      PodSpec pod;
      pod.sysctls = {{name, "|/bin/evil"}};
      return check_sysctls(pod).ok();
    });
  check_attack("sysctl_owner", [] {
    PodSpec pod;
    pod.security.namespaces.network = NamespaceMode::node;
    pod.sysctls = {{"net.ipv4.ip_forward", "1"}};
    return check_sysctls(pod).ok();
  });
}

TEST_CASE("one sysctl's value does not hold a second sysctl", "[a30]") {
  for (const char* value : {"1+kernel.core_pattern=|/bin/evil", "1\nkernel.core_pattern=|/bin/evil"})
    check_attack("sysctl_value", [&] {
      PodSpec pod;
      pod.sysctls = {{"kernel.shm_rmid_forced", value}};
      return check_sysctls(pod).ok();
    });
}

TEST_CASE("a pod's names add no line to the files that slipway writes", "[a35]") {
  const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
  check_attack("control_characters", [&] {
    PodSpec pod;
    pod.dns.servers = {"10.0.0.1\nnameserver 6.6.6.6"};
    return check_pod_text(pod).ok() && lines(render_resolv_conf(pod.dns)) > 1;
  });
  check_attack("control_characters", [&] {
    PodSpec pod;
    pod.hostname = "web\n6.6.6.6\tregistry";
    return check_pod_text(pod).ok() && lines(render_hosts(pod.hostname, {"10.0.0.2"})) > lines(render_hosts("web", {"10.0.0.2"}));
  });
}

TEST_CASE("a pod's annotations never become the container's", "[a36]") {
  check_attack("annotations", [] {
    PodRecord pod;
    pod.id = std::string(64, '1');
    pod.spec.annotations = {{"org.systemd.property.ExecStopPost", "['/bin/evil']"}};
    ContainerSpec container;
    container.command = {"/bin/true"};
    const ImageRecord image;
    const HostFacts host;
    SpecInputs in{.pod = &pod, .container = &container, .image = &image, .host = &host, .container_id = "c", .cgroup = "/c"};
    in.paths = pod_paths("/run/slipway", "/run/netns", "cgroupfs", pod.id);
    in.namespaces = {in.paths.netns, "/proc/1/ns/ipc", "/proc/1/ns/uts", "", "/shm"};
    const auto spec = build_spec(in);
    REQUIRE(spec.ok());
    return spec.value().annotations.contains("org.systemd.property.ExecStopPost");
  });
}
