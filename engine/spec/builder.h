// A CRI container configuration as an OCI spec: one pure function from values to a value.
//
// Everything that needs the host or the image store was read before (SpecInputs). The same inputs give the same spec, which
// is what the golden tests hold. Sections: CRI v1 LinuxContainerConfig → runtime-spec config.md, config-linux.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/cdi.h"
#include "engine/host_facts.h"
#include "engine/paths.h"
#include "engine/spec/annotations.h"
#include "engine/spec/user.h"
#include "engine/types.h"
#include "oci/spec.h"

namespace slipway::engine {

// What the pod's monitor pins: values of linux.namespaces[].path; empty where the pod has no such namespace of its own.
struct PodNamespaces {
  std::string network, ipc, uts, pid, user;
  std::string shm;  // the directory to bind to /dev/shm
};

struct RuntimeHandler;

struct SpecInputs {
  const PodRecord* pod = nullptr;
  const ContainerSpec* container = nullptr;
  const ImageRecord* image = nullptr;
  const HostFacts* host = nullptr;
  std::string container_id;
  std::string cgroup;  // beneath the cgroup2 root
  PodPaths paths;
  PodNamespaces namespaces;
  std::string target_pid_ns;  // of the container that NamespaceMode::target names
  ResolvedUser user;
  SelinuxLabels labels;
  std::vector<ResolvedMount> mounts;
  std::vector<ResolvedDevice> devices;
  std::vector<oci::Device> host_devices;         // filled for privileged containers
  std::optional<std::string> localhost_profile;  // the file's text
  const RuntimeHandler* runtime = nullptr;       // null: slipway's own runner without options
  Wishes wishes;                                 // of the pod's annotations; its devices are among `devices`
  CdiChanges cdi;
};

Result<oci::Spec> build_spec(const SpecInputs& in);

// The same, to be written by write_spec(spec, *profile): the default seccomp profile, which is half of a spec and the same for most, comes
// as its text. Null where the spec holds its profile, or has none.
struct PlannedSpec {
  oci::Spec spec;
  std::shared_ptr<const std::string> profile;

  std::string_view profile_text() const { return profile ? std::string_view(*profile) : std::string_view(); }
};
Result<PlannedSpec> plan_spec(const SpecInputs& in);

// Whether the container gets the host's devices, and may use all there are.
bool all_devices(const SpecInputs& in);

// CRI's resources and what annotations add to them.
LinuxResources asked_resources(const SpecInputs& in);

// Whether the pod has a user namespace of its own.
bool pod_users(const SpecInputs& in);

// Its parts, each a pure rule of its own file.
Result<oci::Process> plan_process(const SpecInputs& in);                                    // process.cc
Result<std::vector<oci::Mount>> plan_mounts(const SpecInputs& in);                          // mounts.cc
Result<std::vector<oci::Namespace>> plan_namespaces(const SpecInputs& in);                  // builder.cc
Result<oci::Resources> plan_resources(const LinuxResources& asked, const HostFacts& host);  // resources.cc
std::vector<oci::DeviceRule> plan_device_rules(const SpecInputs& in);                       // resources.cc

}  // namespace slipway::engine
