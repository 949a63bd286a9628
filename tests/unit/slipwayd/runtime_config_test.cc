// The tables [runtimes.NAME]: what is read, what is refused with which name.
#include "slipwayd/runtime_config.h"

#include <catch2/catch.hpp>

#include "slipwayd/config.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::daemon;
using Catch::Contains;

namespace {

Config parsed(const std::string& text) {
  auto config = parse_config(text, "c.toml");
  if (!config.ok()) FAIL(config.error().message);
  return std::move(config).take();
}

std::string refusal(const std::string& text) {
  auto config = parse_config(text, "c.toml");
  if (!config.ok()) return config.error().message;
  const auto checked = check(config.value());
  REQUIRE_FALSE(checked.ok());
  return checked.error().message;
}

}  // namespace

TEST_CASE("a handler is a table of its own", "[slipwayd]") {
  const Config config = parsed(
      "default_runtime = 'sh'\n[runtimes.sh]\nbinary = '/bin/sh'\npod_annotations = ['a.*']\nprivileged_without_host_devices = true\n"
      "[runtimes.sh.default_annotations]\n'x.y' = 'z'\n");
  REQUIRE(config.runtimes.size() == 1);
  CHECK(config.runtimes[0].name == "sh");
  CHECK(config.runtimes[0].binary == "/bin/sh");
  CHECK(config.runtimes[0].pod_annotations == std::vector<std::string>{"a.*"});
  CHECK(config.runtimes[0].privileged_without_host_devices);
  CHECK(config.runtimes[0].default_annotations == engine::Annotations{{"x.y", "z"}});
  CHECK(check(config).ok());
  CHECK_THAT(to_json(config), Contains(R"("runtimes":{"sh":{)") && Contains(R"("x.y":"z")"));
}

TEST_CASE("the example in the default text is a handler", "[slipwayd]") {
  const std::string example = runtimes_example();
  std::string text;
  for (std::size_t start = example.find("# [runtimes"); start < example.size();) {
    const auto end = example.find('\n', start);
    const std::string line = example.substr(start, end - start);
    if (line.starts_with("# [runtimes") || line.find(" = ") != std::string::npos) text += line.substr(2) + "\n";
    start = end + 1;
  }
  CHECK(parsed(text).runtimes.at(0).binary == "/usr/bin/crun");
  CHECK_THAT(default_config_text(), Contains(example));
}

TEST_CASE("what a handler cannot be is told by its key", "[slipwayd]") {
  CHECK_THAT(refusal("runtimes.x.binry = 1\n"), Contains("c.toml:1: unknown key 'runtimes.x.binry'"));
  CHECK_THAT(refusal("[runtimes]\nx = 1\n"), Contains("c.toml:2: runtimes.x wants a table"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = 1\n"), Contains("c.toml:2: runtimes.x.binary wants a string"));
  CHECK_THAT(refusal("[runtimes.x]\npod_annotations = [1]\n"), Contains("runtimes.x.pod_annotations wants a list of strings"));
  CHECK_THAT(refusal("[runtimes.x]\ndefault_annotations = { a = 1 }\n"),
             Contains("runtimes.x.default_annotations wants a table of strings"));
  CHECK_THAT(refusal("[runtimes.x]\n"), Contains("runtimes.x.binary: '' is not an absolute path"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = 'crun'\n"), Contains("runtimes.x.binary: 'crun' is not an absolute path"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = '/nowhere/crun'\n"), Contains("runtimes.x.binary: '/nowhere/crun'"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = '/etc/passwd'\n"), Contains("'/etc/passwd' is not an executable file"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = '/bin'\n"), Contains("'/bin' is not an executable file"));
  CHECK_THAT(refusal("[runtimes.X]\nbinary = '/bin/sh'\n"), Contains("runtimes: 'X' is not a name of a handler"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = '/bin/sh'\nroot = 'x'\n"), Contains("runtimes.x.root: 'x' is not an absolute path"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = '/bin/sh'\ncgroup_manager = 'v1'\n"), Contains("'v1' is none of cgroupfs, systemd"));
  CHECK_THAT(refusal("[runtimes.x]\nbinary = '/bin/sh'\ncgroup_manager = 'systemd'\n"),
             Contains("'systemd', but cgroup_driver is 'cgroupfs'"));
  CHECK_THAT(refusal("[runtimes.slipway]\nbinary = '/bin/sh'\n"), Contains("it is slipway's own runner"));
  CHECK_THAT(refusal("default_runtime = 'x'\n"), Contains("default_runtime: there is no [runtimes.x]"));
}

TEST_CASE("what was left empty follows from the rest", "[slipwayd]") {
  const test::TempDir dir;
  auto opened = open_runtimes(parsed("[runtimes.t]\nbinary = '/bin/true'\n").runtimes, "t", "systemd", dir.path);
  REQUIRE(opened.ok());
  REQUIRE(opened.value().all.size() == 2);
  CHECK(opened.value().all[0].name == "slipway");
  CHECK(opened.value().find("t")->root == dir.path + "/runtimes/t");
  CHECK(opened.value().find("t")->systemd());
  CHECK(opened.value().resolve("").value() == "t");
  auto own =
      open_runtimes(parsed("[runtimes.slipway]\nprivileged_without_host_devices = true\n").runtimes, "slipway", "cgroupfs", dir.path);
  REQUIRE(own.ok());
  REQUIRE(own.value().all.size() == 1);
  CHECK(own.value().find("slipway")->privileged_without_host_devices);
}
