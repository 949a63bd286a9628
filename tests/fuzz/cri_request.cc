// CRI's requests as the kubelet's socket brings them: message → value → OCI spec → the plans of cgroup, mounts, process and filter.
//
// The first byte says which message; nothing here touches the kernel. What the builder makes must be valid and survive config.json.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cgroups/device_bpf.h"
#include "cgroups/plan.h"
#include "cri/from_proto.h"
#include "engine/pod_files.h"
#include "engine/record_codec.h"
#include "engine/spec/builder.h"
#include "engine/spec/sysctls.h"
#include "network/pod_args.h"
#include "oci/parse.h"
#include "runtime/launch_plan.h"
#include "runtime/mount_plan.h"
#include "runtime/process_plan.h"

namespace {

using namespace slipway;
using engine::PodRecord;

constexpr int kLastCapability = 40;
constexpr const char* kPasswd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\n1000:x:0:0::/:/bin/sh\n";
constexpr const char* kGroup = "root:x:0:\nextra:x:44:web,1000\n";

void require(bool holds) {
  if (!holds) std::abort();
}

// Two lines for one value, or a separator, would be an injection.
void check_lines(const std::string& text, std::size_t lines) {
  require(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) == lines);
}

// What the store writes it reads back.
void check_record(const PodRecord& pod) {
  const auto again = engine::pod_from_json(engine::to_json(pod));
  require(again.ok() && again.value().spec.metadata.name == pod.spec.metadata.name);
}

void run_pod(std::string_view bytes) {
  cri::v1::RunPodSandboxRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  auto spec = cri::from_proto(request);
  if (!spec.ok()) return;
  PodRecord pod;
  pod.id = std::string(64, '1');
  pod.spec = std::move(spec).take();
  check_record(pod);
  (void)engine::check_sysctls(pod.spec).ok();
  if (!engine::check_pod_text(pod.spec).ok()) return;
  const auto& dns = pod.spec.dns;
  check_lines(engine::render_resolv_conf(dns), dns.servers.size() + !dns.searches.empty() + !dns.options.empty());
  const std::size_t without = static_cast<std::size_t>(std::ranges::count(engine::render_hosts("x", {}), '\n'));
  check_lines(engine::render_hosts(pod.spec.hostname, {"10.0.0.1"}), without + 1);
  const engine::NetworkRequest network{pod.id,
                                       "/run/netns/x",
                                       pod.spec.metadata.name,
                                       pod.spec.metadata.namespace_,
                                       pod.spec.metadata.uid,
                                       pod.spec.port_mappings,
                                       pod.spec.annotations};
  if (const auto args = network::make_args(network); args.ok()) require(std::ranges::count(args.value(), ';') == 4);
  (void)network::make_capabilities(network).ok();
}

void plan(const oci::Spec& spec) {
  (void)slipway::runtime::plan_mounts(spec, "/run/bundle").ok();
  slipway::runtime::LaunchPlan launch;
  const oci::Seccomp* seccomp = spec.linux_.seccomp ? &*spec.linux_.seccomp : nullptr;
  (void)slipway::runtime::plan_process(*spec.process, seccomp, kLastCapability, nullptr, launch).ok();
  (void)cgroups::plan_writes(*spec.linux_.resources).ok();
  (void)cgroups::compile_device_filter(cgroups::with_defaults(spec.linux_.resources->devices)).ok();
}

void create_container(std::string_view bytes, bool privileged_pod) {
  cri::v1::ContainerConfig config;
  if (!config.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  auto container = cri::from_proto(config);
  if (!container.ok()) return;
  PodRecord pod;
  pod.id = std::string(64, '1');
  pod.spec.security.privileged = privileged_pod;
  engine::ImageRecord image;
  image.config.entrypoint = {"/bin/web"};
  image.config.user = "web";
  engine::HostFacts host;
  host.hostname = "node";
  host.kernel = "6.1.0";
  host.swap_accounting = true;
  host.hugepage_sizes = {"2MB", "1GB"};
  const std::string own(64, '2');
  engine::SpecInputs in{
      .pod = &pod, .container = &container.value(), .image = &image, .host = &host, .container_id = own, .cgroup = "/pod/" + own};
  in.paths = engine::pod_paths("/run/slipway", "/run/netns", "cgroupfs", pod.id);
  in.namespaces = {in.paths.netns, "/proc/1/ns/ipc", "/proc/1/ns/uts", "/proc/1/ns/pid", "/shm"};
  in.target_pid_ns = "/proc/1/ns/pid";
  auto user = engine::resolve_user(container.value().security, image.config.user, kPasswd, kGroup);
  if (!user.ok()) return;
  in.user = std::move(user).take();
  for (const engine::Mount& mount : container.value().mounts) in.mounts.push_back({mount, mount.host_path, true});
  in.localhost_profile = R"({"defaultAction": "SCMP_ACT_ERRNO"})";
  const auto spec = engine::build_spec(in);
  if (!spec.ok() || !oci::validate(spec.value()).ok()) return;
  const std::string text = oci::write_spec(spec.value());
  const auto again = oci::parse_spec(text);
  require(again.ok() && oci::write_spec(again.value()) == text);
  plan(again.value());
}

void update(std::string_view bytes) {
  cri::v1::UpdateContainerResourcesRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto patch = cri::from_proto(request.linux());
  if (!patch.ok()) return;
  const auto resources = engine::plan_resources(patch.value(), engine::HostFacts{});
  if (resources.ok()) (void)cgroups::plan_writes(resources.value()).ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: run_pod(bytes); break;
    case 1: create_container(bytes, false); break;
    case 2: create_container(bytes, true); break;
    default: update(bytes);
  }
  return 0;
}
