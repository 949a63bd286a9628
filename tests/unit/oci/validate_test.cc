// The specification's rules: each broken one is named.
#include <catch2/catch.hpp>
#include <functional>

#include "oci/parse.h"

using namespace slipway;
using namespace slipway::oci;
using Catch::StartsWith;

namespace {

Spec good() {
  Spec s;
  s.oci_version = "1.2.1";
  s.root.emplace().path = "rootfs";
  s.process.emplace().args = {"true"};
  s.linux_.namespaces = {{NamespaceType::pid, ""}, {NamespaceType::mount, ""}, {NamespaceType::uts, ""}, {NamespaceType::ipc, ""}};
  return s;
}

std::string verdict(const std::function<void(Spec&)>& change) {
  Spec s = good();
  change(s);
  const auto r = validate(s);
  if (r.ok()) return "ok";
  CHECK(r.error().code == Code::invalid_argument);
  return r.error().message;
}

}  // namespace

TEST_CASE("a plain spec is valid", "[oci][validate]") {
  CHECK(verdict([](Spec&) {}) == "ok");
  for (const char* version : {"1.0.0", "1.0.2-dev", "1.3.0", "1.9.12", "1.0.0-rc5+x"})
    CHECK(verdict([&](Spec& s) { s.oci_version = version; }) == "ok");
}

TEST_CASE("versions", "[oci][validate]") {
  for (const char* version : {"", "1", "1.0", "2.0.0", "0.9.0", "x", "1.0.x", "1.0.0.1", "1..0"})
    CHECK_THAT(verdict([&](Spec& s) { s.oci_version = version; }), StartsWith("ociVersion: '" + std::string(version) + "'"));
}

TEST_CASE("root and process", "[oci][validate]") {
  CHECK_THAT(verdict([](Spec& s) { s.root.reset(); }), StartsWith("root.path:"));
  CHECK_THAT(verdict([](Spec& s) { s.root->path.clear(); }), StartsWith("root.path:"));
  CHECK(verdict([](Spec& s) { s.process.reset(); }) == "ok");  // only start needs one
  CHECK_THAT(verdict([](Spec& s) { s.process->args.clear(); }), StartsWith("process.args:"));
  CHECK_THAT(verdict([](Spec& s) { s.process->args = {""}; }), StartsWith("process.args[0]:"));
  CHECK_THAT(verdict([](Spec& s) { s.process->cwd = "work"; }), StartsWith("process.cwd: 'work'"));
  CHECK_THAT(verdict([](Spec& s) { s.process->env = {"A=1", "SECRET"}; }), StartsWith("process.env[1]: is not NAME=value"));
  CHECK_THAT(verdict([](Spec& s) { s.process->oom_score_adj = 1001; }), StartsWith("process.oomScoreAdj: 1001"));
  CHECK_THAT(verdict([](Spec& s) { s.process->user.uid = UINT32_MAX; }), StartsWith("process.user.uid:"));
  CHECK_THAT(verdict([](Spec& s) { s.process->user.additional_gids = {1, UINT32_MAX}; }), StartsWith("process.user.additionalGids[1]:"));
  CHECK_THAT(verdict([](Spec& s) {
               s.process->rlimits = {{"RLIMIT_CPU", 1, 1}, {"RLIMIT_FOO", 1, 1}};
             }),
             StartsWith("process.rlimits[1].type: 'RLIMIT_FOO' is not known"));
  CHECK_THAT(verdict([](Spec& s) {
               s.process->rlimits = {{"RLIMIT_CPU", 1, 1}, {"RLIMIT_CPU", 1, 1}};
             }),
             StartsWith("process.rlimits[1].type:"));
  CHECK_THAT(verdict([](Spec& s) { s.process->rlimits = {{"RLIMIT_CPU", 1, 2}}; }), StartsWith("process.rlimits[0].soft: 2"));
}

TEST_CASE("network devices", "[oci][validate]") {
  const auto with = [](const std::string& host, const std::string& name, bool space = true) {
    return verdict([&](Spec& s) {
      if (space) s.linux_.namespaces.push_back({NamespaceType::network, ""});
      s.linux_.net_devices = {{"other", {}}, {host, {name}}};
    });
  };
  CHECK(with("eth0", "net0") == "ok");
  CHECK_THAT(with("eth0", "net0", false), StartsWith("linux.netDevices: there is no network namespace"));
  CHECK_THAT(with("eth0", "a/b"), StartsWith("linux.netDevices.eth0.name: 'a/b' is not"));
  CHECK_THAT(with("a name", ""), StartsWith("linux.netDevices: 'a name' is not"));
  CHECK_THAT(with("sixteencharacter", ""), StartsWith("linux.netDevices: 'sixteencharacter' is not"));
  CHECK_THAT(with("zzz", "other"), StartsWith("linux.netDevices.zzz.name: 'other' comes twice"));
  CHECK(with("eth0", "net%d") == "ok");
  CHECK_THAT(with("eth%d", ""), StartsWith("linux.netDevices: 'eth%d' is not"));
  for (const char* name : {"net%d%d", "%dnet", "net%s", "net%", "fourteenletters%d", "a/%d"})
    CHECK_THAT(with("eth0", name), StartsWith(std::string("linux.netDevices.eth0.name: '") + name + "' is not"));
}

TEST_CASE("hooks", "[oci][validate]") {
  const auto with = [](const Hook& hook) {
    return verdict([&](Spec& s) { s.hooks.emplace().create_runtime = {{"/bin/true", {}, {}, 1}, hook}; });
  };
  CHECK(with({"/bin/true", {"true"}, {"A=b", "B="}, 3600}) == "ok");
  CHECK_THAT(with({"bin/true", {}, {}, {}}), StartsWith("hooks.createRuntime[1].path: 'bin/true' is not absolute"));
  CHECK_THAT(with({"/bin/true", {}, {}, 0}), StartsWith("hooks.createRuntime[1].timeout: 0 is not greater"));
  CHECK_THAT(with({"/bin/true", {}, {}, -5}), StartsWith("hooks.createRuntime[1].timeout: -5 is not greater"));
  CHECK_THAT(with({"/bin/true", {}, {"A=b", "=b"}, {}}), StartsWith("hooks.createRuntime[1].env[1]: is not NAME=value"));
  CHECK_THAT(verdict([](Spec& s) { s.hooks.emplace().poststop.resize(257); }), StartsWith("hooks.poststop: 257 hooks are more than 256"));
}

TEST_CASE("namespaces and mappings", "[oci][validate]") {
  CHECK_THAT(verdict([](Spec& s) {
               s.linux_.namespaces.push_back({NamespaceType::pid, ""});
             }),
             StartsWith("linux.namespaces[4].type: 'pid' comes twice"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.namespaces[0].path = "proc/1/ns/pid"; }), StartsWith("linux.namespaces[0].path:"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.uid_mappings = {{0, 1000, 1}}; }), StartsWith("linux.uidMappings"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.namespaces.push_back({NamespaceType::user, ""}); }), StartsWith("linux.uidMappings"));
  const auto with_user = [](IdMapping m) {
    return [m](Spec& s) {
      s.linux_.namespaces.push_back({NamespaceType::user, ""});
      s.linux_.uid_mappings = {m};
      s.linux_.gid_mappings = {{0, 1000, 1}};
    };
  };
  CHECK(verdict(with_user({0, 1000, 65536})) == "ok");
  CHECK_THAT(verdict(with_user({0, 1000, 0})), StartsWith("linux.uidMappings[0].size:"));
  CHECK_THAT(verdict(with_user({0, 4294967000U, 65536})), StartsWith("linux.uidMappings[0]:"));
  CHECK(verdict([](Spec& s) { s.hostname = "h"; }) == "ok");
  CHECK_THAT(verdict([](Spec& s) { s.hostname = std::string(65, 'h'); }), StartsWith("hostname:"));
  CHECK_THAT(verdict([](Spec& s) {
               s.linux_.namespaces.clear();
               s.hostname = "h";
             }),
             StartsWith("hostname: there is no uts namespace"));
}

TEST_CASE("mounts, devices, paths", "[oci][validate]") {
  CHECK_THAT(verdict([](Spec& s) { s.mounts.emplace_back(); }), StartsWith("mounts[0].destination:"));
  CHECK_THAT(verdict([](Spec& s) {
               s.mounts.emplace_back().destination = "/x";
               s.mounts[0].uid_mappings = {{0, 1, 1}};
             }),
             StartsWith("mounts[0]: uidMappings and gidMappings"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.devices = {{"dev/x", "c", 1, 3, {}, {}, {}}}; }), StartsWith("linux.devices[0].path:"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.devices = {{"/dev/x", "z", 1, 3, {}, {}, {}}}; }), StartsWith("linux.devices[0].type: 'z'"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.devices = {{"/dev/x", "b", -1, 3, {}, {}, {}}}; }), StartsWith("linux.devices[0]: -1:3"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.devices = {{"/dev/x", "c", 4096, 3, {}, {}, {}}}; }), StartsWith("linux.devices[0]: 4096:3"));
  CHECK_THAT(verdict([](Spec& s) {
               s.linux_.devices = {{"/dev/x", "c", 1, 1 << 20, {}, {}, {}}};
             }),
             StartsWith("linux.devices[0]: 1:1048576"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.masked_paths = {"/a", "b"}; }), StartsWith("linux.maskedPaths[1]: 'b'"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.readonly_paths = {"b"}; }), StartsWith("linux.readonlyPaths[0]: 'b'"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.cgroups_path = "/a/../../b"; }), StartsWith("linux.cgroupsPath:"));
  CHECK_THAT(verdict([](Spec& s) { s.linux_.rootfs_propagation = "sideways"; }), StartsWith("linux.rootfsPropagation: 'sideways'"));
  CHECK_THAT(verdict([](Spec& s) {
               s.linux_.resources.emplace().devices = {{true, "x", {}, {}, ""}};
             }),
             StartsWith("linux.resources.devices[0].type"));
  CHECK_THAT(verdict([](Spec& s) {
               s.linux_.resources.emplace().devices = {{true, "c", {}, {}, "rx"}};
             }),
             StartsWith("linux.resources.devices[0].access"));
  CHECK_THAT(verdict([](Spec& s) {
               s.linux_.resources.emplace().unified = {{"../memory.max", "1"}};
             }),
             StartsWith("linux.resources.unified"));
}

TEST_CASE("sysctls need their namespace", "[oci][validate]") {
  const auto sysctl = [](const char* name, const char* value = "1") {
    return verdict([&](Spec& s) { s.linux_.sysctl = {{name, value}}; });
  };
  CHECK(sysctl("kernel.shm_rmid_forced") == "ok");
  CHECK(sysctl("kernel/msgmax") == "ok");
  CHECK(sysctl("fs.mqueue.msg_max") == "ok");
  CHECK(sysctl("kernel.domainname") == "ok");
  CHECK_THAT(sysctl("net.ipv4.ip_forward"), StartsWith("linux.sysctl.net.ipv4.ip_forward: there is no network namespace"));
  CHECK_THAT(sysctl("kernel.core_pattern", "|x"),
             StartsWith("linux.sysctl.kernel.core_pattern: '|x' cannot be set: it belongs to the whole host"));
  CHECK_THAT(sysctl("kernel.hostname"), StartsWith("linux.sysctl.kernel.hostname: is set by 'hostname'"));
  CHECK_THAT(sysctl("vm.swappiness", "9"), StartsWith("linux.sysctl.vm.swappiness: '9' cannot be set: it belongs to the whole host"));
  CHECK_THAT(sysctl("kernel.sem", "1\n2"), StartsWith("linux.sysctl.kernel.sem: a control character"));
  for (const char* name : {"net..x", "net/../kernel/core_pattern", "net", "", ".net.x", "net/x/", "net.x y"}) {
    INFO(name);
    CHECK(sysctl(name) != "ok");
  }
  CHECK(sysctl_path("net.ipv4.conf.eth0/100.forwarding").value() == "net/ipv4/conf/eth0.100/forwarding");
  CHECK(sysctl_path("net/ipv4/conf/eth0.100/forwarding").value() == "net/ipv4/conf/eth0.100/forwarding");
}
