// Loading device filters and attaching them to cgroups through bpf(2).
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "cgroups/device_bpf.h"
#include "sys/file.h"

namespace slipway::cgroups {
namespace {

constexpr std::uint32_t kMostPrograms = 64;  // the kernel's BPF_CGROUP_MAX_PROGS

// The kernel wants what it does not know to be zero, so attributes are cleared whole, padding too.
struct Attributes {
  bpf_attr attr;
  Attributes() { std::memset(&attr, 0, sizeof attr); }
};

std::uint64_t address(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

long bpf(int command, Attributes& a) {
  return ::syscall(SYS_bpf, command, &a.attr, sizeof a.attr);
}

Result<std::vector<UniqueFd>> attached_programs(FdRef cgroup) {
  std::array<std::uint32_t, kMostPrograms> ids{};
  Attributes query;
  query.attr.query.target_fd = static_cast<std::uint32_t>(cgroup.get());
  query.attr.query.attach_type = BPF_CGROUP_DEVICE;
  query.attr.query.prog_ids = address(ids.data());
  query.attr.query.prog_cnt = kMostPrograms;
  if (bpf(BPF_PROG_QUERY, query) != 0) return fail_errno(errno, "query the cgroup's device filters");
  std::vector<UniqueFd> out;
  for (std::uint32_t i = 0; i < std::min(query.attr.query.prog_cnt, kMostPrograms); ++i) {
    Attributes by_id;
    by_id.attr.prog_id = ids[i];
    const long fd = bpf(BPF_PROG_GET_FD_BY_ID, by_id);
    if (fd < 0 && errno == ENOENT) continue;  // gone meanwhile
    if (fd < 0) return fail_errno(errno, "open the device filter with the id {}", ids[i]);
    out.emplace_back(static_cast<int>(fd));
  }
  return out;
}

Result<void> attach(FdRef cgroup, FdRef program, const std::vector<UniqueFd>& old) {
  Attributes a;
  a.attr.target_fd = static_cast<std::uint32_t>(cgroup.get());
  a.attr.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  a.attr.attach_type = BPF_CGROUP_DEVICE;
  a.attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (old.size() == 1) {
    a.attr.attach_flags |= BPF_F_REPLACE;
    a.attr.replace_bpf_fd = static_cast<std::uint32_t>(old.front().get());
    if (bpf(BPF_PROG_ATTACH, a) != 0) return fail_errno(errno, "replace the cgroup's device filter");
    return {};
  }
  if (bpf(BPF_PROG_ATTACH, a) != 0) return fail_errno(errno, "attach the cgroup's device filter");
  // Every program must say yes, so what was there before has to go.
  for (const UniqueFd& one : old) {
    Attributes d;
    d.attr.target_fd = a.attr.target_fd;
    d.attr.attach_bpf_fd = static_cast<std::uint32_t>(one.get());
    d.attr.attach_type = BPF_CGROUP_DEVICE;
    if (bpf(BPF_PROG_DETACH, d) != 0 && errno != ENOENT) return fail_errno(errno, "detach an old device filter of the cgroup");
  }
  return {};
}

}  // namespace

Result<UniqueFd> load_device_filter(std::span<const bpf_insn> program) {
  static constexpr char kLicense[] = "Apache-2.0";  // no GPL-only helper is called
  Attributes a;
  a.attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  a.attr.insns = address(program.data());
  a.attr.insn_cnt = static_cast<std::uint32_t>(program.size());
  a.attr.license = address(kLicense);
  std::memcpy(a.attr.prog_name, "slipway_devices", sizeof "slipway_devices");
  long fd = sys::retry_eintr([&] { return bpf(BPF_PROG_LOAD, a); });
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  const int cause = errno;
  // Once more with the verifier's words, for the error only.
  std::string log(16 << 10, '\0');
  a.attr.log_buf = address(log.data());
  a.attr.log_size = static_cast<std::uint32_t>(log.size());
  a.attr.log_level = 1;
  fd = bpf(BPF_PROG_LOAD, a);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  log.resize(std::strlen(log.c_str()));
  return fail_errno(cause, "load a device filter of {} instructions{}{}", program.size(), log.empty() ? "" : ": ", log);
}

Result<void> attach_device_filter(FdRef cgroup, FdRef program) {
  TRY_ASSIGN(const std::vector<UniqueFd> old, attached_programs(cgroup));
  return attach(cgroup, program, old);
}

Result<void> apply_devices(FdRef cgroup, std::span<const oci::DeviceRule> rules, bool fresh) {
  TRY_ASSIGN(const std::vector<bpf_insn> program, compile_device_filter(rules));
  TRY_ASSIGN(const UniqueFd loaded, load_device_filter(program));
  return fresh ? attach(cgroup, loaded, {}) : attach_device_filter(cgroup, loaded);
}

}  // namespace slipway::cgroups
