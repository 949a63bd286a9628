// The table of capabilities(7), and the masks that capset(2) and prctl(2) take.
#include "runtime/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "oci/capability_names.h"

namespace slipway::runtime {
namespace {

constexpr auto& kNames = oci::kCapabilityNames;
static_assert(kNames.size() == CAP_LAST_CAP + 1);

std::uint64_t to_mask(std::string_view set, const std::vector<std::string>& names, int last, std::vector<std::string>* dropped) {
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto number = capability_number(names[i]);
    if (!number || *number > last) {
      if (dropped != nullptr)
        dropped->push_back(fmt::format("process.capabilities.{}[{}]: '{}' is not known to this kernel", set, i, names[i]));
      continue;
    }
    mask |= std::uint64_t{1} << *number;
  }
  return mask;
}

// The first capability in `mask` for a message.
std::string_view first_of(std::uint64_t mask) {
  return capability_name(__builtin_ctzll(mask));
}

}  // namespace

std::optional<int> capability_number(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<int>(i);
  return std::nullopt;
}

std::string_view capability_name(int number) {
  return number >= 0 && number < static_cast<int>(kNames.size()) ? kNames[static_cast<std::size_t>(number)] : std::string_view();
}

std::vector<std::string> all_capability_names() {
  return {kNames.begin(), kNames.end()};
}

Result<int> last_capability() {
  const auto known = [](int capability) { return ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; };
  int last = CAP_LAST_CAP;
  while (last < 63 && known(last + 1)) ++last;
  if (last > CAP_LAST_CAP) return last;
  // CAP_CHECKPOINT_RESTORE came with 5.9: older kernels lack openat2's and mount_setattr's company, too.
  while (last > CAP_CHECKPOINT_RESTORE && !known(last)) --last;
  return last;
}

Result<std::uint64_t> permitted_capabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return fail_errno(errno, "read our capabilities");
  return data[0].permitted | std::uint64_t{data[1].permitted} << 32;
}

Result<CapabilityMasks> capability_masks(const std::optional<oci::Capabilities>& sets, int last, std::vector<std::string>* dropped) {
  CapabilityMasks out;
  if (!sets) return out;
  out.bounding = to_mask("bounding", sets->bounding, last, dropped);
  out.effective = to_mask("effective", sets->effective, last, dropped);
  out.inheritable = to_mask("inheritable", sets->inheritable, last, dropped);
  out.permitted = to_mask("permitted", sets->permitted, last, dropped);
  out.ambient = to_mask("ambient", sets->ambient, last, dropped);
  if (const std::uint64_t extra = out.effective & ~out.permitted; extra != 0)
    return fail(Code::invalid_argument, "process.capabilities.effective: {} is not in permitted", first_of(extra));
  // The kernel would refuse to raise these; `crun spec` and old runc templates list them, and no runtime fails for it.
  for (std::uint64_t extra = out.ambient & ~(out.permitted & out.inheritable); extra != 0; extra &= extra - 1)
    if (dropped != nullptr)
      dropped->push_back(fmt::format("process.capabilities.ambient: {} is not both permitted and inheritable", first_of(extra)));
  out.ambient &= out.permitted & out.inheritable;
  return out;
}

}  // namespace slipway::runtime
