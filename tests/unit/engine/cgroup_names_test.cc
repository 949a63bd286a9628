// Where pods, containers and monitors go with either driver.
#include "engine/cgroup_names.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::engine;

namespace {

const std::string kPod(64, 'a'), kShort(40, 'a');

std::string refused(std::string_view driver, const std::string& parent) {
  const auto path = pod_cgroup(driver, parent, kPod);
  REQUIRE_FALSE(path.ok());
  CHECK(path.error().code == Code::invalid_argument);
  CHECK_THAT(path.error().message, Catch::Contains("cgroup_parent '" + parent + "'"));
  return path.error().message;
}

}  // namespace

TEST_CASE("cgroupfs: a directory beneath the parent", "[engine]") {
  CHECK(pod_cgroup("cgroupfs", "", kPod).value() == "/slipway/" + kShort);
  CHECK(pod_cgroup("cgroupfs", "/kubepods/burstable/podX/", kPod).value() == "/kubepods/burstable/podX/" + kShort);
  CHECK(container_cgroup("/slipway/p", "c") == "/slipway/p/c");
  CHECK(monitor_cgroup("cgroupfs", "p") == "/slipway-monitors/p");
  CHECK_THAT(refused("cgroupfs", "/kubepods.slice"), Catch::Contains("driver is cgroupfs"));
}

TEST_CASE("systemd: a slice, by its name or by its path", "[engine]") {
  const std::string slice = "kubepods-burstable-podf_1.slice";
  const std::string path = "/kubepods.slice/kubepods-burstable.slice/" + slice;
  const std::string own = path + "/kubepods-burstable-podf_1-" + kShort + ".slice";
  CHECK(pod_cgroup("systemd", slice, kPod).value() == own);
  CHECK(pod_cgroup("systemd", path, kPod).value() == own);
  CHECK(pod_cgroup("systemd", "", kPod).value() == "/slipway.slice/slipway-" + kShort + ".slice");
  CHECK(pod_cgroup("systemd", "-.slice", kPod).value() == "/" + kShort + ".slice");
  CHECK(container_cgroup(own, "c") == own + "/slipway-c.scope");
  CHECK(monitor_cgroup("systemd", "p") == "/slipway.slice/slipway-monitors.slice/slipway-monitor-p.scope");
  CHECK_THAT(refused("systemd", "/kubepods/podX"), Catch::Contains("driver is systemd"));
  CHECK_THAT(refused("systemd", "/elsewhere/" + slice), Catch::Contains(path));
  refused("systemd", "a--b.slice");
  refused("systemd", std::string(230, 'a') + ".slice");
}
