// The capabilities of a container: fourteen by default, ALL before single names, ambient ones only when asked for.
#include "engine/spec/capabilities.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cctype>
#include <string_view>

#include "base/weaken.h"
#include "oci/capability_names.h"

namespace slipway::engine {
namespace {

constexpr auto& kNames = oci::kCapabilityNames;

constexpr std::array<std::string_view, 14> kDefault = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",  "CAP_FSETID",     "CAP_KILL",  "CAP_SETGID",      "CAP_SETUID",
    "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP"};

using Set = std::bitset<kNames.size()>;

bool is_all(std::string_view name) {
  return name.size() == 3 && std::toupper(name[0]) == 'A' && std::toupper(name[1]) == 'L' && std::toupper(name[2]) == 'L';
}

Result<std::size_t> number_of(const char* field, const std::string& given, const Set& known) {
  std::string name = given;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (name.rfind("CAP_", 0) != 0) name = "CAP_" + name;
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return fail(Code::invalid_argument, "capabilities.{}: there is no capability '{}'", field, given);
  const auto index = static_cast<std::size_t>(found - kNames.begin());
  if (!known.test(index))
    return fail(Code::failed_precondition, "capabilities.{}: slipwayd does not hold the capability '{}' itself", field, given);
  return index;
}

std::vector<std::string> names_of(const Set& set) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (set.test(i)) names.emplace_back(kNames[i]);
  return names;
}

bool mentions_all(const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), is_all);
}

}  // namespace

Result<oci::Capabilities> plan_capabilities(const SecurityContext& security, std::uint64_t available) {
  const Set known(available);  // bits beyond the names' are dropped

  Set held, ambient;
  if (security.privileged) {
    held = known;
  } else {
    for (const std::string_view name : kDefault) {
      TRY_ASSIGN(const std::size_t index, number_of("default", std::string(name), known));
      held.set(index);
    }
  }
  // ALL first, single names after it: {add: [NET_ADMIN], drop: [ALL]} leaves one.
  if (mentions_all(security.add_capabilities)) held = known;
  if (mentions_all(security.drop_capabilities)) held.reset();
  for (const std::string& name : security.add_capabilities) {
    if (is_all(name)) continue;
    TRY_ASSIGN(const std::size_t index, number_of("add_capabilities", name, known));
    held.set(index);
  }
  for (const std::string& name : security.drop_capabilities) {
    if (is_all(name) || weakened(Defence::capability_drop)) continue;
    TRY_ASSIGN(const std::size_t index, number_of("drop_capabilities", name, known));
    held.reset(index);
  }
  for (const std::string& name : security.add_ambient_capabilities) {
    if (is_all(name)) {
      ambient |= known;
      continue;
    }
    TRY_ASSIGN(const std::size_t index, number_of("add_ambient_capabilities", name, known));
    ambient.set(index);
  }
  held |= ambient;

  oci::Capabilities sets;
  sets.bounding = sets.effective = sets.permitted = names_of(held);
  sets.inheritable = sets.ambient = names_of(ambient);
  if (weakened(Defence::no_inheritable)) sets.inheritable = sets.bounding;
  return sets;
}

}  // namespace slipway::engine
