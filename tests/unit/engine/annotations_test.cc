// Annotations of pods: every form that is read, and what is refused by name.
#include <catch2/catch.hpp>

#include "engine/spec/annotations.h"

using namespace slipway;
using namespace slipway::engine;

namespace {

void check_limit(const oci::Rlimit& limit, const char* type, std::uint64_t soft, std::uint64_t hard) {
  CHECK(limit.type == type);
  CHECK(limit.soft == soft);
  CHECK(limit.hard == hard);
}

void refused(const Annotations& annotations, const char* part, Code code = Code::invalid_argument) {
  const auto wishes = container_wishes(annotations, "web", {});
  REQUIRE_FALSE(wishes.ok());
  CHECK(wishes.error().code == code);
  CHECK_THAT(wishes.error().message, Catch::Contains(part));
  CHECK_THAT(wishes.error().message, Catch::Contains("annotation '" + annotations.begin()->first + "'"));
}

}  // namespace

TEST_CASE("limits of processes, in each form", "[engine]") {
  for (const char* text :
       {"nofile=1024:4096,memlock=unlimited", " RLIMIT_NOFILE = 1024:4096 , memlock=-1:unlimited",
        "- type: RLIMIT_NOFILE\n  soft: 1024\n  hard: 4096\n# more\n- type: \"memlock\"\n  hard: -1\n  soft: unlimited\n",
        R"([{"type": "nofile", "soft": 1024, "hard": 4096}, {"type": "MEMLOCK", "soft": "unlimited", "hard": "unlimited"}])"}) {
    INFO(text);
    for (const char* name : {"ulimits.slipway.io/web", "ulimits.slipway.io", "ulimits.nri.containerd.io/container.web",
                             "ulimits.noderesource.dev/container.web"}) {
      const auto wishes = container_wishes({{name, text}}, "web", {});
      REQUIRE(wishes.ok());
      REQUIRE(wishes.value().rlimits.size() == 2);
      check_limit(wishes.value().rlimits[0], "RLIMIT_NOFILE", 1024, 4096);
      check_limit(wishes.value().rlimits[1], "RLIMIT_MEMLOCK", ~0ULL, ~0ULL);
    }
  }
  const auto own = container_wishes({{"ulimits.slipway.io", "core=1"}, {"ulimits.slipway.io/web", "core=2"}}, "web", {});
  check_limit(own.value().rlimits.at(0), "RLIMIT_CORE", 2, 2);
  CHECK(container_wishes({{"ulimits.slipway.io/other", "core=1"}}, "web", {}).value().rlimits.empty());
  CHECK(container_wishes({{"ulimits.slipway.io", "nonsense"}}, "web", {{"umask"}, {}}).value().rlimits.empty());
}

TEST_CASE("limits that cannot be are refused", "[engine][attack]") {
  for (const auto& [text, part] :
       std::vector<std::pair<std::string, const char*>>{{"nofile", "'' is neither"},
                                                        {"nofile=1:x", "'x' is neither"},
                                                        {"nofile=5:4", "more than the hard"},
                                                        {"nofile=1,NOFILE=2", "twice"},
                                                        {"rtprio=99", "'rtprio'"},
                                                        {"nice=40", "'nice'"},
                                                        {"- type: nofile\n  soft: 1\n  hard: 2\n  other: 3", "'other'"},
                                                        {"[{\"type\": 1}]", "'1'"},
                                                        {"[1]", "no object"},
                                                        {"[", "no JSON array"},
                                                        {std::string(20'000, 'x'), "at most"}})
    refused({{"ulimits.slipway.io/web", text}}, part);
}

TEST_CASE("umask, cgroup files, devices and the size of /dev/shm", "[engine]") {
  const Annotations all = {{"umask.crio.io", "0027"},
                           {"unified-cgroup.crio.io/web", "memory.high=100; pids.max=5;"},
                           {"devices.crio.io", "/dev/fuse, /dev/net/tun:/dev/tun:rw,/dev/fuse:r"},
                           {"shm-size.crio.io", "256Mi"}};
  const auto wishes = container_wishes(all, "web", {});
  REQUIRE(wishes.ok());
  CHECK(wishes.value().umask == 027U);
  CHECK(wishes.value().unified == std::map<std::string, std::string>{{"memory.high", "100"}, {"pids.max", "5"}});
  REQUIRE(wishes.value().devices.size() == 3);
  CHECK(wishes.value().devices[0].container_path == "/dev/fuse");
  CHECK(wishes.value().devices[1].host_path == "/dev/net/tun");
  CHECK(wishes.value().devices[1].container_path == "/dev/tun");
  CHECK(wishes.value().devices[1].permissions == "rw");
  CHECK(wishes.value().devices[2].permissions == "r");
  CHECK(shm_size(all, {}).value() == std::int64_t{256} << 20);
  CHECK(container_wishes({{"io.kubernetes.cri-o.umask", "77"}}, "web", {}).value().umask == 077U);
  CHECK_FALSE(shm_size(all, {{"umask"}, {}}).value().has_value());
  for (const char* bad : {"", "0", "-1", "64Q", "Mi", "9999999999Ti"}) CHECK_FALSE(shm_size({{"shm-size.crio.io", bad}}, {}).ok());
  refused({{"umask.crio.io", "0999"}}, "'0999'");
  refused({{"umask.crio.io", "7777"}}, "'7777'");
  refused({{"unified-cgroup.crio.io", "memory.high"}}, "FILE=VALUE");
  refused({{"devices.crio.io", "/dev/sda"}}, "/dev/sda", Code::permission_denied);
  refused({{"devices.crio.io", "/dev/fuse/../sda"}}, "/dev/fuse/../sda", Code::permission_denied);
  refused({{"devices.crio.io", "fuse"}}, "'fuse'");
  refused({{"devices.crio.io", "/dev/fuse:/x:rwx"}}, "'rwx'");
}

TEST_CASE("cgroup files that the pod's own cgroup holds nothing of are refused", "[engine][attack]") {
  for (const char* file : {"cpuset.cpus", "cpuset.mems", "cpuset.cpus.exclusive", "memory.swap.max", "memory.zswap.writeback",
                           "cpu.uclamp.min", "io.prio.class"})
    refused({{"unified-cgroup.crio.io", std::string("pids.max=5; ") + file + "=0"}}, file, Code::permission_denied);
}

TEST_CASE("a limit that is JSON without end is refused, not descended into", "[engine][attack]") {
  const std::string deep = std::string(8'000, '[') + std::string(8'000, ']');
  refused({{"ulimits.slipway.io/web", "[{\"type\": \"nofile\", \"soft\": " + deep + "}]"}}, "is neither");
}
