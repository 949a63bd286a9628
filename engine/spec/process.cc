// process of the OCI spec: what runs, with which environment, as whom.
#include <algorithm>
#include <string_view>

#include "engine/apparmor.h"
#include "engine/pod_files.h"
#include "engine/spec/builder.h"
#include "engine/spec/capabilities.h"

namespace slipway::engine {
namespace {

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// CRI: command stands for the image's entrypoint, args for its cmd; a command alone drops the image's cmd.
Result<std::vector<std::string>> plan_args(const ContainerSpec& container, const ImageConfig& image) {
  std::vector<std::string> args = container.command.empty() ? image.entrypoint : container.command;
  const bool image_cmd = container.command.empty() && container.args.empty();
  const std::vector<std::string>& rest = image_cmd ? image.cmd : container.args;
  args.insert(args.end(), rest.begin(), rest.end());
  if (args.empty()) return fail(Code::invalid_argument, "neither the container nor its image names a command");
  return args;
}

// A later value of a name takes the earlier one's place.
void set_env(std::vector<std::string>& env, std::string entry) {
  const std::string_view name = std::string_view(entry).substr(0, entry.find('=') + 1);
  for (std::string& old : env) {
    if (std::string_view(old).substr(0, name.size()) == name) {
      old = std::move(entry);
      return;
    }
  }
  env.push_back(std::move(entry));
}

bool has_env(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& e) {
    return e.size() > name.size() && e.compare(0, name.size(), name) == 0 && e[name.size()] == '=';
  });
}

// RFC 3629, no overlong forms, no surrogates: config.json cannot hold anything else.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
    if (size == 0 || i + size > text.size()) return false;
    for (std::size_t k = 1; k < size; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    const auto second = size > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f))
      return false;
    i += size;
  }
  return true;
}

Result<void> check_env(const std::string& name, const std::string& value) {
  if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "'{}' is not a name of an environment variable", name);
  if (value.find('\0') != std::string::npos || !is_utf8(value) || !is_utf8(name))
    return fail(Code::invalid_argument, "the value of the environment variable '{}' is not UTF-8 text", name);
  return {};
}

Result<std::vector<std::string>> plan_env(const SpecInputs& in) {
  std::vector<std::string> env;
  set_env(env, "HOSTNAME=" + pod_hostname(*in.pod, in.host->hostname));
  if (in.container->tty) set_env(env, "TERM=xterm");
  for (const std::string& entry : in.image->config.env) {
    const std::size_t at = entry.find('=');
    if (at == std::string::npos) continue;  // image-spec: NAME=VALUE; others mean nothing
    TRY(check_env(entry.substr(0, at), entry.substr(at + 1)));
    set_env(env, entry);
  }
  for (const auto& [name, value] : in.container->envs) {
    TRY(check_env(name, value));
    set_env(env, name + "=" + value);
  }
  for (const std::string& entry : in.cdi.env) {
    TRY(check_env(entry.substr(0, entry.find('=')), entry.substr(entry.find('=') + 1)));
    set_env(env, entry);
  }
  if (!has_env(env, "PATH")) env.emplace_back(kDefaultPath);
  if (!has_env(env, "HOME")) env.push_back("HOME=" + (in.user.home.empty() ? "/" : in.user.home));
  return env;
}

Result<std::string> plan_cwd(const SpecInputs& in) {
  std::string cwd = in.container->working_dir.empty() ? in.image->config.working_dir : in.container->working_dir;
  if (cwd.empty()) return std::string("/");
  if (cwd.find('\0') != std::string::npos) return fail(Code::invalid_argument, "the working directory holds a zero byte");
  // /proc/self/fd/N leads out of the root while the runner still holds descriptors (attack 13); the runner refuses it too.
  if (cwd.front() != '/') cwd = "/" + cwd;
  return cwd;
}

Result<void> plan_apparmor(const SecurityContext& security, const HostFacts& host, oci::Process& process) {
  switch (security.apparmor.type) {
    case ProfileType::unconfined: return {};
    case ProfileType::runtime_default:
    case ProfileType::implied:
      if (wants_default_apparmor(security, host)) process.apparmor_profile = kDefaultAppArmorProfile;
      return {};
    case ProfileType::localhost:
      if (!host.apparmor)
        return fail(Code::failed_precondition, "AppArmor profile '{}': this host has no AppArmor", security.apparmor.localhost_ref);
      process.apparmor_profile = security.apparmor.localhost_ref;
      return {};
  }
  return {};
}

}  // namespace

Result<oci::Process> plan_process(const SpecInputs& in) {
  const SecurityContext& security = in.container->security;
  oci::Process process;
  process.terminal = in.container->tty;
  TRY_ASSIGN(process.args, plan_args(*in.container, in.image->config));
  TRY_ASSIGN(process.env, plan_env(in));
  TRY_ASSIGN(process.cwd, plan_cwd(in));
  process.user.uid = in.user.uid;
  process.user.gid = in.user.gid;
  process.user.additional_gids = in.user.additional_gids;
  for (const std::uint32_t gid : in.cdi.additional_gids)
    if (std::ranges::find(process.user.additional_gids, gid) == process.user.additional_gids.end())
      process.user.additional_gids.push_back(gid);
  process.user.umask = in.wishes.umask;
  process.rlimits = in.wishes.rlimits;
  if (std::ranges::find(process.rlimits, "RLIMIT_NOFILE", &oci::Rlimit::type) == process.rlimits.end())
    process.rlimits.push_back({"RLIMIT_NOFILE", in.host->open_files, in.host->open_files});
  TRY_ASSIGN(process.capabilities, plan_capabilities(security, in.host->capabilities));
  process.no_new_privileges = security.no_new_privs;
  if (in.container->resources.oom_score_adj < -1000 || in.container->resources.oom_score_adj > 1000)
    return fail(Code::invalid_argument, "oom_score_adj {} is not from -1000 to 1000", in.container->resources.oom_score_adj);
  process.oom_score_adj = static_cast<int>(in.container->resources.oom_score_adj);
  TRY(plan_apparmor(security, *in.host, process));
  if (!in.labels.process.empty()) process.selinux_label = in.labels.process;
  return process;
}

}  // namespace slipway::engine
