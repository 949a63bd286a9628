// The specification's rules for hooks.
#include "oci/parse.h"
#include "oci/validate_parts.h"

namespace slipway::oci {
namespace {

constexpr std::size_t kMostHooks = 256;  // of one kind: each is a process that somebody waits for

template <class... Args>
Error wrong(fmt::format_string<Args...> text, Args&&... args) {
  return fail(Code::invalid_argument, text, std::forward<Args>(args)...);
}

Result<void> check_hook(const std::string& field, const Hook& hook) {
  if (!hook.path.starts_with('/')) return wrong("{}.path: '{}' is not absolute", field, hook.path);
  if (hook.timeout && *hook.timeout <= 0) return wrong("{}.timeout: {} is not greater than zero", field, *hook.timeout);
  for (std::size_t i = 0; i < hook.env.size(); ++i) {
    const std::size_t equals = hook.env[i].find('=');
    if (equals == std::string::npos || equals == 0) return wrong("{}.env[{}]: is not NAME=value", field, i);
  }
  return {};
}

}  // namespace

Result<void> check_hooks(const Hooks& hooks) {
  const std::pair<const char*, const std::vector<Hook>*> lists[] = {
      {"prestart", &hooks.prestart},
      {"createRuntime", &hooks.create_runtime},
      {"createContainer", &hooks.create_container},
      {"startContainer", &hooks.start_container},
      {"poststart", &hooks.poststart},
      {"poststop", &hooks.poststop},
  };
  for (const auto& [name, list] : lists) {
    if (list->size() > kMostHooks) return wrong("hooks.{}: {} hooks are more than {}", name, list->size(), kMostHooks);
    for (std::size_t i = 0; i < list->size(); ++i) TRY(check_hook(fmt::format("hooks.{}[{}]", name, i), (*list)[i]));
  }
  return {};
}

}  // namespace slipway::oci
