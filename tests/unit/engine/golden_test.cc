// PodSpec and ContainerSpec → config.json, held in tests/golden/engine. SLIPWAY_UPDATE_GOLDEN=1 writes them anew: read the diff.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/apparmor.h"
#include "engine/spec/builder.h"
#include "oci/parse.h"
#include "oci/seccomp_default.h"

using namespace slipway;
using namespace slipway::engine;

namespace {

struct Case {
  PodRecord pod;
  ContainerSpec container;
  ImageRecord image;
  HostFacts host;
  SpecInputs in;

  Case() {
    pod.id = std::string(64, '1');
    pod.spec.metadata = {"web-7d4", "0f1e", "shop", 2};
    pod.spec.hostname = "web-7d4";
    image.id = "sha256:" + std::string(64, 'a');
    image.config.env = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
    image.config.entrypoint = {"/docker-entrypoint.sh"};
    image.config.cmd = {"nginx", "-g", "daemon off;"};
    container.metadata = {"server", 1};
    container.image = image.id;
    container.user_specified_image = "docker.io/library/nginx:1";
    host.hostname = "node-1";
    host.kernel = "6.1.0-40-amd64";
    host.swap_accounting = true;
    host.hugepage_sizes = {"1GB", "2MB"};
    in.container_id = std::string(64, '2');
    in.cgroup = "/kubepods/burstable/pod0f1e/" + pod.id + "/" + in.container_id;
    in.paths = pod_paths("/run/slipway", "/run/netns", "cgroupfs", pod.id);
    in.namespaces = {in.paths.netns, "/proc/4000/fd/11", "/proc/4000/fd/12", "", "", in.paths.directory + "/shm"};
  }

  Result<oci::Spec> build() {
    in.pod = &pod;
    in.container = &container;
    in.image = &image;
    in.host = &host;
    return build_spec(in);
  }
};

void compare(const std::string& name, Case& c) {
  const auto spec = c.build();
  if (!spec.ok()) FAIL(spec.error().message);
  const auto valid = oci::validate(spec.value());
  if (!valid.ok()) FAIL(valid.error().message);
  const std::string text = nlohmann::json::parse(oci::write_spec(spec.value())).dump(2) + "\n";
  const auto planned = plan_spec(c.in);
  REQUIRE(planned.ok());
  CHECK(oci::write_spec(planned.value().spec, planned.value().profile_text()) == oci::write_spec(spec.value()));
  const std::string path = std::string(SLIPWAY_SOURCE_DIR) + "/tests/golden/engine/" + name + ".json";
  if (std::getenv("SLIPWAY_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  REQUIRE(file.good());
  std::stringstream golden;
  golden << file.rdbuf();
  CHECK(text == golden.str());
}

}  // namespace

TEST_CASE("golden: as little as CRI can say", "[golden]") {
  Case c;
  compare("minimal", c);
}

TEST_CASE("golden: a pod with a user namespace, id-mapped volumes and AppArmor's default", "[golden]") {
  Case c;
  const std::vector<oci::IdMapping> ids = {{0, 200000, 65536}};
  engine::NamespaceOptions& pod = c.pod.spec.security.namespaces;
  pod.userns = true;
  pod.uid_mappings = pod.gid_mappings = ids;
  c.pod.spec.hostname.clear();
  c.container.security.namespaces = pod;
  c.container.security.apparmor.type = ProfileType::runtime_default;
  c.host.apparmor = true;
  c.in.namespaces.user = "/proc/4000/fd/10";
  c.in.user.uid = 1000;
  c.in.mounts.push_back(
      {{.container_path = "/data", .host_path = "/var/lib/data", .uid_mappings = ids, .gid_mappings = ids}, "/var/lib/data", true});
  compare("user-namespace", c);
}

TEST_CASE("AppArmor's default is for who asks for it, and for who asks for nothing where it can be loaded", "[golden]") {
  const auto profile = [](ProfileType type, bool host, bool parser, bool privileged) {
    Case c;
    c.container.security.apparmor.type = type;
    c.host.apparmor = host;
    c.host.apparmor_parser = parser;
    c.container.security.privileged = c.pod.spec.security.privileged = privileged;
    const auto spec = c.build();
    REQUIRE(spec.ok());
    return spec.value().process->apparmor_profile.value_or("none");
  };
  CHECK(profile(ProfileType::implied, true, true, false) == engine::kDefaultAppArmorProfile);
  CHECK(profile(ProfileType::implied, true, false, false) == "none");
  CHECK(profile(ProfileType::implied, false, true, false) == "none");
  CHECK(profile(ProfileType::implied, true, true, true) == "none");
  CHECK(profile(ProfileType::runtime_default, true, false, false) == engine::kDefaultAppArmorProfile);  // its load fails, by name
  CHECK(profile(ProfileType::unconfined, true, true, false) == "none");
}

TEST_CASE("golden: a web server as the kubelet asks for it", "[golden]") {
  Case c;
  c.container.args = {"nginx", "-t"};
  c.container.working_dir = "srv";
  c.container.envs = {{"LANG", "de_DE.UTF-8"}, {"KUBERNETES_PORT", "tcp://10.96.0.1:443"}};
  c.container.resources.cpu_period = 100000;
  c.container.resources.cpu_quota = 50000;
  c.container.resources.cpu_shares = 512;
  c.container.resources.memory_limit_in_bytes = 512 << 20;
  c.container.resources.oom_score_adj = 984;
  c.container.resources.hugepage_limits = {{"2MB", 0}, {"1GB", 0}};
  c.container.resources.unified = {{"memory.oom.group", "1"}, {"pids.max", "1024"}};
  SecurityContext& security = c.container.security;
  security.drop_capabilities = {"ALL"};
  security.add_capabilities = {"NET_BIND_SERVICE"};
  security.no_new_privs = true;
  security.readonly_rootfs = true;
  security.seccomp.type = ProfileType::runtime_default;
  security.masked_paths = {"/proc/kcore", "/sys/firmware"};
  security.readonly_paths = {"/proc/sys"};
  c.in.user = {101, 101, {101, 3000}, "/nonexistent"};
  const auto mount = [&](const std::string& target, const std::string& source, bool readonly) {
    engine::Mount request{.container_path = target, .host_path = source, .readonly = readonly};
    c.in.mounts.push_back({request, source, true});
  };
  mount("/var/run/secrets/kubernetes.io/serviceaccount", "/var/lib/kubelet/pods/0f1e/volumes/token", true);
  mount("/etc/hosts", "/var/lib/kubelet/pods/0f1e/etc-hosts", false);
  mount("/data", "/srv/data", false);
  c.in.mounts[0].request.recursive_read_only = true;
  c.in.mounts[2].request.propagation = Propagation::host_to_container;
  compare("kubelet", c);
}

TEST_CASE("golden: privileged, with the host's network, IPC and PIDs", "[golden]") {
  Case c;
  NamespaceOptions host;
  host.network = host.pid = host.ipc = NamespaceMode::node;
  c.pod.spec.security.namespaces = c.container.security.namespaces = host;
  c.pod.spec.security.privileged = c.container.security.privileged = true;
  c.container.security.masked_paths = {"/proc/kcore"};
  c.container.security.seccomp.type = ProfileType::runtime_default;
  c.container.tty = true;
  c.in.namespaces = {};
  c.in.host_devices = {{.path = "/dev/null", .type = "c", .major = 1, .minor = 3, .file_mode = 0666, .uid = 0, .gid = 0},
                       {.path = "/dev/vda", .type = "b", .major = 254, .minor = 0, .file_mode = 0660, .uid = 0, .gid = 6}};
  c.in.mounts.push_back({{.container_path = "/host", .host_path = "/", .propagation = Propagation::bidirectional}, "/", true});
  compare("privileged", c);
}

TEST_CASE("golden: a shared PID namespace, a device, an own command, ambient capabilities, a profile of the node", "[golden]") {
  Case c;
  c.container.command = {"/bin/tool"};
  c.container.security.namespaces.pid = NamespaceMode::pod;
  c.in.namespaces.pid = "/proc/4001/ns/pid";
  c.container.security.add_ambient_capabilities = {"CAP_NET_RAW"};
  c.container.security.seccomp = {ProfileType::localhost, "profiles/few.json"};
  c.in.localhost_profile =
      R"({"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","write","exit_group"],"action":"SCMP_ACT_ALLOW"}]})";
  c.in.devices = {{{.path = "/dev/fuse", .type = "c", .major = 10, .minor = 229, .file_mode = 0666, .uid = 0, .gid = 0}, "rw"}};
  compare("shared-pid", c);
}

TEST_CASE("golden: what a CDI device brings stands in place of what was there", "[golden]") {
  Case c;
  c.container.cdi_devices = {"vendor.com/gpu=0"};
  c.container.envs = {{"GPU", "none"}};
  c.in.user.uid = 1000;
  c.in.user.additional_gids = {44};
  c.in.mounts.push_back({{.container_path = "/lib/gpu", .host_path = "/home/gpu"}, "/home/gpu", true});
  c.in.devices = {{{.path = "/dev/gpu0", .type = "c", .major = 10, .minor = 229, .file_mode = 0666, .uid = 0, .gid = 0}, "r"}};
  c.in.cdi.env = {"GPU=0"};
  c.in.cdi.devices = {{{.path = "/dev/gpu0", .type = "c", .major = 195, .minor = 0, .file_mode = {}, .uid = {}, .gid = {}}, "rw"},
                      {{.path = "/dev/gpuctl", .type = "c", .major = 195, .minor = 255, .file_mode = {}, .uid = 0, .gid = {}}, ""}};
  c.in.cdi.mounts = {{.destination = "/lib/gpu//",
                      .type = "bind",
                      .source = "/usr/lib/gpu",
                      .options = {"ro", "rbind"},
                      .uid_mappings = {},
                      .gid_mappings = {}}};
  c.in.cdi.hooks.create_container.push_back({"/usr/bin/gpu-hook", {"gpu-hook", "ldcache"}, {}, 5});
  c.in.cdi.additional_gids = {44, 45};
  compare("cdi", c);
}

// With its ids mapped, the pod's root would write as the host's root to what a vendor has not made read-only.
TEST_CASE("a CDI mount keeps the host's ids in a pod with a user namespace", "[golden][attack]") {
  Case c;
  engine::NamespaceOptions& pod = c.pod.spec.security.namespaces;
  pod.userns = true;
  pod.uid_mappings = pod.gid_mappings = {{0, 200000, 65536}};
  c.container.security.namespaces = pod;
  c.in.namespaces.user = "/proc/4000/fd/10";
  for (const std::vector<std::string>& options : {std::vector<std::string>{"rbind"}, {"rbind", "idmap"}})
    c.in.cdi.mounts.push_back({.destination = options.back() == "idmap" ? "/mapped" : "/plain",
                               .type = "bind",
                               .source = "/usr/lib/gpu",
                               .options = options,
                               .uid_mappings = {},
                               .gid_mappings = {}});
  const auto spec = c.build();
  REQUIRE(spec.ok());
  int found = 0;
  for (const oci::Mount& mount : spec.value().mounts) {
    if (mount.source != "/usr/lib/gpu") continue;
    ++found;
    CHECK(mount.uid_mappings.empty());
    CHECK(mount.gid_mappings.empty());
    CHECK(mount.options.back() == (mount.destination == "/mapped" ? "idmap" : "rbind"));
  }
  CHECK(found == 2);
}

TEST_CASE("what the builder refuses names what it is", "[golden]") {
  const auto refused = [](auto change, const std::string& text, Code code = Code::invalid_argument) {
    Case c;
    change(c);
    const auto spec = c.build();
    REQUIRE_FALSE(spec.ok());
    CHECK(spec.error().code == code);
    CHECK_THAT(spec.error().message, Catch::Contains(text));
  };
  const auto with_mount = [](const engine::Mount& request) { return [request](Case& c) { c.in.mounts.push_back({request, "/x", true}); }; };
  refused([](Case& c) { c.image.config = {}; }, "command");
  refused([](Case& c) { c.container.envs = {{"A=B", "x"}}; }, "A=B");
  refused([](Case& c) { c.container.envs = {{"A", "\xff\xfe"}}; }, "UTF-8");
  refused([](Case& c) { c.container.security.privileged = true; }, "privileged");
  refused(
      [](Case& c) {
        c.container.cdi_devices = {"vendor.com/gpu=0"};
        c.in.cdi.hooks.poststop.push_back({"/bin/true", {}, {}, {}});
      },
      "CDI device 'vendor.com/gpu=0': of hooks", Code::unimplemented);
  refused([](Case& c) { c.container.security.apparmor = {ProfileType::localhost, "p"}; }, "AppArmor", Code::failed_precondition);
  refused([](Case& c) { c.container.resources.oom_score_adj = 2000; }, "oom_score_adj");
  refused(with_mount({.container_path = "/a/../../b", .host_path = "/x"}), "..");
  refused(with_mount({.container_path = "/", .host_path = "/x"}), "mount target");
  refused(with_mount({.container_path = "/a", .host_path = "/x", .recursive_read_only = true}), "readonly");
  refused(with_mount({.container_path = "/a",
                      .host_path = "/x",
                      .readonly = true,
                      .recursive_read_only = true,
                      .propagation = Propagation::host_to_container}),
          "private");
  refused(with_mount({.container_path = "/a", .host_path = "/x", .uid_mappings = {{0, 1, 1}}}), "only together");
  refused([](Case& c) { c.container.security.namespaces.userns = true; }, "no user namespace");
  refused(
      [](Case& c) {
        c.pod.spec.security.namespaces.userns = true;
        c.in.namespaces.user = "/proc/4000/fd/10";
        c.in.mounts.push_back({{.container_path = "/a", .host_path = "/x", .propagation = Propagation::bidirectional}, "/x", true});
      },
      "mount for the host");
}
