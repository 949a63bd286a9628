// The default AppArmor profile: its text, and loading it.
#include "engine/apparmor.h"

#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::engine {
namespace {

constexpr const char* kLoaded = "/sys/kernel/security/apparmor/profiles";
constexpr std::size_t kListLimit = 16 << 20;
constexpr std::size_t kWordsLimit = 1 << 20;
constexpr std::size_t kMostQuoted = 1024;
constexpr int kParserTime = 60'000;  // milliseconds; it compiles for seconds on a slow machine

// A container's own: files, network, capabilities as they were given, signals and traces among containers. Not: mounts, and what of /proc
// and /sys reaches beyond the container, whatever capabilities it has.
constexpr const char* kRules = R"( flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  capability,
  umount,
  unix,
  signal (receive) peer=unconfined,
  signal (send, receive) peer=@{profile_name},
  ptrace (read, trace, readby, tracedby) peer=@{profile_name},

  deny mount,
  deny /proc/{kcore,kmem,mem,sysrq-trigger} rwklx,
  deny /proc/sys/{abi,crypto,debug,dev,sunrpc,user,vm}/** wkl,
  deny /proc/sys/fs/[^m]** wkl,
  deny /proc/sys/kernel/[^ms]** wkl,
  deny /proc/sys/kernel/s[^eh]** wkl,
  deny /proc/sys/kernel/m[^s]** wkl,
  deny /sys/[^fk]** wkl,
  deny /sys/f[^s]** wkl,
  deny /sys/fs/[^c]** wkl,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/** wklx,
  deny /sys/kernel/{debug,security,tracing}/** rwklx,
}
)";

Result<bool> is_loaded(const std::string& name) {
  auto list = sys::read_file(kLoaded, kListLimit);
  if (!list.ok()) return std::move(list).error().within("AppArmor's list of profiles");
  return ("\n" + list.value()).find("\n" + name + " (") != std::string::npos;
}

Result<std::string> find_parser() {
  std::string path = apparmor_parser();
  if (!path.empty()) return path;
  return fail(Code::failed_precondition, "AppArmor profile RuntimeDefault: this host has AppArmor but no apparmor_parser to load it with");
}

Result<void> load(const std::string& text) {
  TRY_ASSIGN(const std::string parser, find_parser());
  TRY_ASSIGN(const UniqueFd input, sys::memory_file("apparmor", text));
  sys::SpawnRequest request;
  request.program = parser;
  request.argv = {"apparmor_parser", "--replace", "--skip-cache"};
  request.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  request.stdio[0] = input.get();
  TRY_ASSIGN(const sys::Ran parsed, sys::run_to_end(std::move(request), kParserTime, kWordsLimit));
  if (parsed.status.code == 0) return {};
  return fail(Code::failed_precondition, "apparmor_parser ended with {}: {}", parsed.status.code, parsed.said.substr(0, kMostQuoted));
}

}  // namespace

std::string apparmor_parser() {
  for (const char* path : {"/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"})
    if (sys::exists(path)) return path;
  return {};
}

bool wants_default_apparmor(const SecurityContext& security, const HostFacts& host) {
  if (!host.apparmor || security.privileged) return false;
  return security.apparmor.type == ProfileType::runtime_default || (security.apparmor.type == ProfileType::implied && host.apparmor_parser);
}

std::string default_apparmor_text() {
  return fmt::format("profile {}{}", kDefaultAppArmorProfile, kRules);
}

Result<void> need_loaded(const std::string& profile) {
  const auto loaded = is_loaded(profile);
  if (!loaded.ok() || loaded.value()) return {};
  return fail(Code::failed_precondition, "AppArmor profile '{}' is not loaded", profile);
}

Result<void> AppArmor::need_default() {
  const std::lock_guard lock(mutex_);
  if (loaded_) return {};
  TRY_ASSIGN(loaded_, is_loaded(kDefaultAppArmorProfile));
  if (loaded_) return {};
  TRY(load(default_apparmor_text()));
  loaded_ = true;
  return {};
}

}  // namespace slipway::engine
