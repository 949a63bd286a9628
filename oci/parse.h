// config.json and its parts between text and value: parse, validate, write.
//
// Pure, any thread. Text is at most 4 MiB and 64 levels deep. Unknown properties are ignored, as the specification demands; properties of
// runtime-spec 1.3 that slipway cannot do are refused by name (Code::unimplemented), unless they are empty or the default. Errors read
//   process.rlimits[2].type: 'RLIMIT_FOO' is not known
// A property that is null counts as absent; one that comes twice in an object is an error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::oci {

inline constexpr std::size_t kMaxDocument = 4U << 20;
inline constexpr int kMaxDepth = 64;

// Syntax and types only; `validate` knows the rules between fields.
Result<Spec> parse_spec(std::string_view json);
Result<Process> parse_process(std::string_view json);      // `exec --process`
Result<Resources> parse_resources(std::string_view json);  // `update --resources`

// A localhost profile: linux.seccomp's shape, or the one of containers-common and docker, whose archMap, includes, excludes and
// minKernel are evaluated for this machine, `kernel` ("6.1") and the container's `capabilities`.
struct ProfileFacts {
  std::vector<std::string> capabilities;  // "CAP_SYS_ADMIN"
  std::string kernel;                     // "major.minor…" of uname(2); empty = every minKernel is met
};
Result<Seccomp> parse_seccomp_profile(std::string_view json, const ProfileFacts& facts = {});

// The rules of config.md and config-linux.md that concern more than one field, or what a value may be.
Result<void> validate(const Spec& spec);
Result<void> validate(const Process& process);

// "net.ipv4.conf.eth0/100.forwarding" → "net/ipv4/conf/eth0.100/forwarding", beneath /proc/sys. The first separator decides which one
// separates, as in sysctl.d(5). Refuses empty and ".." components.
Result<std::string> sysctl_path(std::string_view name);

// Compact JSON without a newline at the end; reading it back gives the same value.
std::string write_spec(const Spec& spec);
std::string write_process(const Process& process);
std::string write_resources(const Resources& resources);

}  // namespace slipway::oci
