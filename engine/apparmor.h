// The AppArmor profile that RuntimeDefault means: slipway's own text, loaded by apparmor_parser soon after slipwayd's start.
//
// The kernel takes compiled policy only, in a form that follows its version; the compiler is apparmor_parser's. Any thread.
#pragma once

#include <mutex>
#include <string>

#include "base/result.h"
#include "engine/host_facts.h"
#include "engine/types.h"

namespace slipway::engine {

// The number goes up with each change of the text: a profile that an older slipwayd loaded stays for its containers.
inline constexpr const char* kDefaultAppArmorProfile = "slipway-default-1";
std::string default_apparmor_text();

// Where the compiler is, "" = nowhere.
std::string apparmor_parser();

// A request for it, or none for any: a container whose request says nothing of AppArmor is confined where that is possible.
bool wants_default_apparmor(const SecurityContext& security, const HostFacts& host);

// failed_precondition: a profile of the host's is not in the kernel. Where the kernel's list cannot be read the container's init finds out.
Result<void> need_loaded(const std::string& profile);

class AppArmor {
 public:
  // The default profile is in the kernel when this returns. failed_precondition: there is no apparmor_parser, or it failed.
  Result<void> need_default();

 private:
  std::mutex mutex_;
  bool loaded_ = false;
};

}  // namespace slipway::engine
