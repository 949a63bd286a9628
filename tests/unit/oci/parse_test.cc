// config.json → Spec: every field arrives, what cannot be done is named.
#include "oci/parse.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

using namespace slipway;
using namespace slipway::oci;
using Catch::Contains;

namespace {

std::string data(const std::string& name) {
  std::ifstream in(std::string(SLIPWAY_SOURCE_DIR "/tests/unit/oci/data/") + name);
  REQUIRE(in.good());
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string error_of(const std::string& json) {
  const auto r = parse_spec(json);
  return r.ok() ? "ok" : std::string(to_string(r.error().code)) + " " + r.error().message;
}

}  // namespace

TEST_CASE("every field of a full config.json arrives", "[oci][parse]") {
  const auto r = parse_spec(data("full.json"));
  if (!r.ok()) FAIL(r.error().message);
  const Spec& s = r.value();
  CHECK(s.oci_version == "1.3.0");
  CHECK(s.hostname == "web-0");
  CHECK(s.domainname == "example.org");
  CHECK(s.root->path == "rootfs");
  CHECK(s.root->readonly);
  const Process& p = *s.process;
  CHECK(p.terminal);
  CHECK((p.console_size->height == 40 && p.console_size->width == 120));
  CHECK((p.user.uid == 1000 && p.user.gid == 2000 && p.user.umask == 022U));
  CHECK(p.user.additional_gids == std::vector<std::uint32_t>{5, 4294967294U});
  CHECK(p.args == std::vector<std::string>{"/bin/sh", "-c", "echo \"\xc3\xa9\""});
  CHECK(p.env == std::vector<std::string>{"PATH=/bin", "EMPTY="});
  CHECK(p.cwd == "/work");
  CHECK(p.capabilities->bounding == std::vector<std::string>{"CAP_KILL", "CAP_CHOWN"});
  CHECK(p.capabilities->effective == std::vector<std::string>{"CAP_KILL"});
  CHECK(p.capabilities->permitted == std::vector<std::string>{"CAP_KILL"});
  CHECK(p.capabilities->inheritable.empty());
  CHECK(p.capabilities->ambient == std::vector<std::string>{"CAP_CHOWN"});
  REQUIRE(p.rlimits.size() == 1);
  CHECK((p.rlimits[0].type == "RLIMIT_NOFILE" && p.rlimits[0].hard == 18446744073709551615ULL && p.rlimits[0].soft == 1024));
  CHECK(p.no_new_privileges);
  CHECK(p.apparmor_profile == "slipway-default");
  CHECK(p.selinux_label == "system_u:system_r:container_t:s0");
  CHECK(p.oom_score_adj == -997);
  REQUIRE(s.mounts.size() == 2);
  CHECK(s.mounts[0].destination == "/proc");
  CHECK(s.mounts[1].options == std::vector<std::string>{"rbind", "rprivate", "ro"});
  CHECK((s.mounts[1].uid_mappings[0].host_id == 100000 && s.mounts[1].gid_mappings[0].size == 65536));
  CHECK(s.annotations.at("io.kubernetes.cri.container-type") == "container");
  const Linux& l = s.linux_;
  REQUIRE(l.namespaces.size() == 8);
  CHECK((l.namespaces[1].type == NamespaceType::network && l.namespaces[1].path == "/run/netns/x"));
  CHECK(l.namespaces[7].type == NamespaceType::time);
  CHECK(l.uid_mappings[0].host_id == 100000);
  CHECK(l.gid_mappings[0].container_id == 0);
  CHECK((l.devices[0].path == "/dev/fuse" && l.devices[0].major == 10 && l.devices[0].minor == 229 && l.devices[0].file_mode == 0666U));
  CHECK((l.devices[0].uid == 1U && l.devices[0].gid == 2U && l.devices[0].type == "c"));
  CHECK(l.cgroups_path == "/kubepods/pod1/c1");
  CHECK(l.rootfs_propagation == "rslave");
  CHECK(l.sysctl.at("net.ipv4.ip_forward") == "1");
  CHECK(l.masked_paths == std::vector<std::string>{"/proc/kcore"});
  CHECK(l.readonly_paths == std::vector<std::string>{"/proc/sys"});
  CHECK(l.mount_label == "system_u:object_r:container_file_t:s0");
}

TEST_CASE("every resource of a full config.json arrives", "[oci][parse]") {
  const auto spec = parse_spec(data("full.json"));
  REQUIRE(spec.ok());
  const Resources& r = *spec.value().linux_.resources;
  REQUIRE(r.devices.size() == 2);
  CHECK((!r.devices[0].allow && r.devices[0].access == "rwm" && !r.devices[0].major));
  CHECK((r.devices[1].allow && r.devices[1].type == "c" && r.devices[1].major == 10 && r.devices[1].minor == 229));
  CHECK(
      (r.memory->limit == 536870912 && r.memory->reservation == 1048576 && r.memory->swap == -1 && r.memory->check_before_update == true));
  CHECK((r.cpu->shares == 1024U && r.cpu->quota == 50000 && r.cpu->period == 100000U && r.cpu->burst == 1000U && r.cpu->idle == 0));
  CHECK((r.cpu->cpus == "0-1" && r.cpu->mems == "0"));
  CHECK(r.pids_limit == 1024);
  CHECK((r.block_io->weight == 500 && r.block_io->weight_device[0].weight == 100 && r.block_io->weight_device[0].major == 8));
  CHECK(r.block_io->throttle_read_bps_device[0].rate == 1000);
  CHECK(r.block_io->throttle_write_bps_device[0].rate == 2000);
  CHECK(r.block_io->throttle_read_iops_device[0].rate == 3000);
  CHECK(r.block_io->throttle_write_iops_device[0].rate == 4000);
  CHECK((r.hugepage_limits[0].page_size == "2MB" && r.hugepage_limits[0].limit == 0));
  CHECK(r.unified.at("memory.oom.group") == "1");
  const Seccomp& c = *spec.value().linux_.seccomp;
  CHECK((c.default_action == "SCMP_ACT_ERRNO" && c.default_errno_ret == 1U));
  CHECK(c.architectures == std::vector<std::string>{"SCMP_ARCH_X86_64"});
  CHECK(c.flags == std::vector<std::string>{"SECCOMP_FILTER_FLAG_LOG"});
  REQUIRE(c.syscalls.size() == 1);
  CHECK(c.syscalls[0].names == std::vector<std::string>{"clone", "read"});
  CHECK((c.syscalls[0].errno_ret == 38U && c.syscalls[0].args[0].value == 2114060288U && c.syscalls[0].args[0].value_two == 5));
  CHECK(c.syscalls[0].args[0].op == "SCMP_CMP_MASKED_EQ");
}

TEST_CASE("unknown properties and nulls are ignored", "[oci][parse]") {
  CHECK(error_of(R"({"ociVersion":"1.0.2","process":null,"novelty":{"a":[1]},"linux":{"namespaces":null,"resources":{"foo":3}}})") == "ok");
}

TEST_CASE("scheduling, personality, memory policy, rdma", "[oci][parse]") {
  const auto spec = parse_spec(
      R"({"process":{"scheduler":{"policy":"SCHED_DEADLINE","nice":-3,"priority":4,"flags":["SCHED_FLAG_RECLAIM"],"runtime":1,"deadline":2,
          "period":3},"ioPriority":{"class":"IOPRIO_CLASS_RT","priority":5},"execCPUAffinity":{"initial":"0-1","final":"1"}},
          "linux":{"netDevices":{"eth0":{"name":"e"},"eth1":{}},"intelRdt":{"closID":"g","l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=1","schemata":["L2:0=1"],"enableMonitoring":true,"enableCMT":true},"personality":{"domain":"LINUX32","flags":["A"]},"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0","flags":["B"]},
          "resources":{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"mlx4_0":{"hcaObjects":1000}}}}})");
  REQUIRE(spec.ok());
  const Scheduler& s = *spec.value().process->scheduler;
  CHECK((s.policy == "SCHED_DEADLINE" && s.nice == -3 && s.priority == 4 && s.flags == std::vector<std::string>{"SCHED_FLAG_RECLAIM"}));
  CHECK((s.runtime == 1 && s.deadline == 2 && s.period == 3));
  CHECK((spec.value().process->io_priority->io_class == "IOPRIO_CLASS_RT" && spec.value().process->io_priority->priority == 5));
  CHECK((spec.value().process->exec_cpu_affinity->initial == "0-1" && spec.value().process->exec_cpu_affinity->final == "1"));
  const Linux& l = spec.value().linux_;
  CHECK((l.net_devices.size() == 2 && l.net_devices.at("eth0").name == "e" && l.net_devices.at("eth1").name.empty()));
  CHECK((l.personality->domain == "LINUX32" && l.personality->flags.size() == 1));
  CHECK((l.memory_policy->mode == "MPOL_BIND" && l.memory_policy->nodes == "0" && l.memory_policy->flags.size() == 1));
  REQUIRE(l.intel_rdt);
  CHECK((l.intel_rdt->clos_id == "g" && l.intel_rdt->l3_cache_schema == "L3:0=f" && l.intel_rdt->mem_bw_schema == "MB:0=1"));
  CHECK((l.intel_rdt->schemata == std::vector<std::string>{"L2:0=1"} && l.intel_rdt->enable_monitoring));
  REQUIRE(l.resources->rdma.size() == 2);
  CHECK((l.resources->rdma.at("mlx5_1").hca_handles == 3U && !l.resources->rdma.at("mlx4_0").hca_handles));
}

TEST_CASE("hooks of every kind", "[oci][parse]") {
  const auto spec = parse_spec(
      R"({"hooks":{"prestart":[{"path":"/a"}],"createRuntime":[{"path":"/b","args":["b","1"],"env":["K=V"],"timeout":7},{"path":"/b2"}],
          "createContainer":[{"path":"/c"}],"startContainer":[{"path":"/d"}],"poststart":[{"path":"/e"}],"poststop":[{"path":"/f"}]}})");
  REQUIRE(spec.ok());
  REQUIRE(spec.value().hooks);
  const Hooks& h = *spec.value().hooks;
  REQUIRE(h.create_runtime.size() == 2);
  CHECK((h.create_runtime[0].args == std::vector<std::string>{"b", "1"} && h.create_runtime[0].env == std::vector<std::string>{"K=V"}));
  CHECK((h.create_runtime[0].timeout == 7 && !h.create_runtime[1].timeout && h.create_runtime[1].path == "/b2"));
  CHECK((h.prestart[0].path == "/a" && h.create_container[0].path == "/c" && h.start_container[0].path == "/d"));
  CHECK((h.poststart[0].path == "/e" && h.poststop[0].path == "/f"));
  CHECK(error_of(R"({"hooks":{"prestart":[{"path":"/a","timeout":"1"}]}})").find("hooks.prestart[0].timeout") != std::string::npos);
  CHECK(parse_spec(R"({"hooks":{"ofAnotherVersion":{"unknown":1}}})").ok());
}

TEST_CASE("what slipway cannot do is refused by name, unless it is empty", "[oci][parse]") {
  for (const char* empty :
       {R"({"hooks":{}})", R"({"hooks":{"prestart":[],"poststop":null}})", R"({"windows":{}})",
        R"({"linux":{"netDevices":{},"timeOffsets":null,"personality":{"domain":"LINUX"}}})",
        R"({"linux":{"resources":{"network":{"classID":0,"priorities":[]},"rdma":{},"memory":{"kernel":-1,"disableOOMKiller":false}}}})",
        R"({"process":{"scheduler":null,"ioPriority":{},"user":{"username":""}}})"})
    CHECK(error_of(empty) == "ok");
  const std::pair<const char*, const char*> refused[] = {
      {R"({"windows":{"layerFolders":["c"]}})", "windows"},
      {R"({"vm":{"kernel":{"path":"/k"}}})", "vm"},
      {R"({"solaris":{"milestone":"m"}})", "solaris"},
      {R"({"process":{"commandLine":"x"}})", "process.commandLine"},
      {R"({"process":{"user":{"username":"bob"}}})", "process.user.username"},
      {R"({"linux":{"resources":{"network":{"classID":5}}}})", "linux.resources.network"},
      {R"({"linux":{"resources":{"network":{"priorities":[{"name":"a","priority":1}]}}}})", "linux.resources.network"},
      {R"({"linux":{"resources":{"memory":{"swappiness":0}}}})", "linux.resources.memory.swappiness"},
      {R"({"linux":{"resources":{"memory":{"disableOOMKiller":true}}}})", "linux.resources.memory.disableOOMKiller"},
      {R"({"linux":{"resources":{"memory":{"kernel":1000}}}})", "linux.resources.memory.kernel"},
      {R"({"linux":{"resources":{"cpu":{"realtimeRuntime":1000}}}})", "linux.resources.cpu.realtimeRuntime"},
      {R"({"linux":{"resources":{"blockIO":{"leafWeight":10}}}})", "linux.resources.blockIO.leafWeight"},
      {R"({"linux":{"resources":{"blockIO":{"weightDevice":[{"major":8,"minor":0,"leafWeight":10}]}}}})",
       "linux.resources.blockIO.weightDevice[0].leafWeight"},
  };
  for (const auto& [json, field] : refused) CHECK_THAT(error_of(json), Catch::StartsWith(std::string("unimplemented ") + field + ": "));
}

TEST_CASE("a wrong type or value names its path", "[oci][parse]") {
  CHECK_THAT(error_of(R"({"process":{"rlimits":[{},{"hard":-1}]}})"), Contains("process.rlimits[1].hard: -1 is not an integer from 0 to"));
  CHECK_THAT(error_of(R"({"process":{"user":{"uid":4294967296}}})"),
             Contains("process.user.uid: 4294967296 is not an integer from 0 to 4294967295"));
  CHECK_THAT(error_of(R"({"process":{"user":{"uid":1.0}}})"), Contains("process.user.uid: 1.0 is not an integer"));
  CHECK_THAT(error_of(R"({"process":{"user":{"uid":"0"}}})"), Contains("process.user.uid: a number expected, not a string"));
  CHECK_THAT(error_of(R"({"process":{"args":"sh"}})"), Contains("process.args: an array expected, not a string"));
  CHECK_THAT(error_of(R"({"linux":{"namespaces":[{"type":"pid"},{"type":"foo"}]}})"),
             Contains("linux.namespaces[1].type: 'foo' is not known"));
  CHECK_THAT(error_of(R"({"linux":{"namespaces":[{"path":"/x"}]}})"), Contains("linux.namespaces[0]: 'type' is missing"));
  CHECK_THAT(error_of(R"([])"), Contains("an object expected, not an array"));
  CHECK_THAT(error_of(R"({"linux":{"devices":[{"path":"/dev/x","type":"c","minor":1}]}})"),
             Contains("linux.devices[0]: 'major' and 'minor'"));
  CHECK_THAT(error_of(R"({"hostname":"a","process":{"cwd":"/","cwd":"/"}})"), Contains("the name 'cwd' comes twice"));
}

TEST_CASE("process and resources are documents of their own", "[oci][parse]") {
  const auto p = parse_process(R"({"args":["true"],"cwd":"/","user":{"uid":7}})");
  REQUIRE(p.ok());
  CHECK(p.value().user.uid == 7);
  const auto bad = parse_process(R"({"terminal":1})");
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message == "process.terminal: a boolean expected, not a number");
  const auto r = parse_resources(R"({"memory":{"limit":-1},"pids":{"limit":10}})");
  REQUIRE(r.ok());
  CHECK((r.value().memory->limit == -1 && r.value().pids_limit == 10));
}

TEST_CASE("time offsets are read by clock and written again", "[oci]") {
  const auto spec =
      parse_spec(R"({"ociVersion": "1.2.0", "linux": {"timeOffsets": {"boottime": {"secs": -5, "nanosecs": 7}, "monotonic": {}}}})");
  REQUIRE(spec.ok());
  const auto& offsets = spec.value().linux_.time_offsets;
  REQUIRE(offsets.size() == 2);
  CHECK(offsets.at("boottime").secs == -5);
  CHECK(offsets.at("boottime").nanosecs == 7);
  CHECK(parse_spec(write_spec(spec.value())).value().linux_.time_offsets.at("boottime").secs == -5);
}
