// `linux.seccomp`, and profile files that carry conditions of their own (archMap, includes, excludes).
#include <algorithm>
#include <charconv>

#include "oci/parse.h"
#include "oci/parse_parts.h"

namespace slipway::oci {
namespace json {
namespace {

Result<void> read(const Value& value, SeccompArg& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "index") return json::read(v, out.index);
    if (key == "value") return json::read(v, out.value);
    if (key == "valueTwo") return json::read(v, out.value_two);
    if (key == "op") return json::read(v, out.op);
    return {};
  });
}

Result<void> read(const Value& value, SeccompSyscall& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "names") return json::read(v, out.names);
    if (key == "name") return json::read(v, out.names.emplace_back());  // old profile files
    if (key == "action") return json::read(v, out.action);
    if (key == "errnoRet") return json::read(v, out.errno_ret);
    if (key == "args") return v.items([&](const Value& item) { return read(item, out.args.emplace_back()); });
    return {};
  });
}

// What a profile file adds to a rule. includes: each named condition must hold; excludes: none may.
struct Condition {
  std::vector<std::string> arches;
  std::vector<std::string> capabilities;
  std::string min_kernel;
  bool any = false;
};

Result<void> read(const Value& value, Condition& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    out.any = out.any || !asks_for_nothing(v);
    if (key == "arches") return json::read(v, out.arches);
    if (key == "caps") return json::read(v, out.capabilities);
    if (key == "minKernel") return json::read(v, out.min_kernel);
    return v.not_known();
  });
}

// "6.1" and "6.1.0-30-amd64" → {6, 1}; what is no number counts as 0.
std::pair<int, int> kernel_version(std::string_view text) {
  std::pair<int, int> out{0, 0};
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out.first);
  if (r.ec == std::errc() && r.ptr != text.data() + text.size() && *r.ptr == '.')
    (void)std::from_chars(r.ptr + 1, text.data() + text.size(), out.second);
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

class ProfileReader {
 public:
  explicit ProfileReader(const ProfileFacts& facts) : facts_(facts) {}

  Result<void> read_profile(const Value& value, Seccomp& out) const {
    return value.members([&](std::string_view key, const Value& v) -> Result<void> {
      if (key == "defaultAction") return json::read(v, out.default_action);
      if (key == "defaultErrnoRet") return json::read(v, out.default_errno_ret);
      if (key == "architectures") return json::read(v, out.architectures);
      if (key == "archMap") return read_arch_map(v, out.architectures);
      if (key == "flags") return json::read(v, out.flags);
      if (key == "listenerPath") return json::read(v, out.listener_path);
      if (key == "listenerMetadata") return json::read(v, out.listener_metadata);
      if (key == "syscalls") return v.items([&](const Value& item) { return read_rule(item, out.syscalls); });
      return {};  // comments, and the names that containers-common gives to errnos beside their numbers
    });
  }

 private:
  // [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": […]}]: the entry of this machine counts.
  static Result<void> read_arch_map(const Value& value, std::vector<std::string>& out) {
    return value.items([&](const Value& item) -> Result<void> {
      std::string own;
      std::vector<std::string> others;
      TRY(item.members([&](std::string_view key, const Value& v) -> Result<void> {
        if (key == "architecture") return json::read(v, own);
        if (key == "subArchitectures") return json::read(v, others);
        return {};
      }));
      if (own != "SCMP_ARCH_X86_64") return {};
      out.push_back(std::move(own));
      out.insert(out.end(), others.begin(), others.end());
      return {};
    });
  }

  Result<void> read_rule(const Value& value, std::vector<SeccompSyscall>& out) const {
    Condition includes;
    Condition excludes;
    TRY(value.members([&](std::string_view key, const Value& v) -> Result<void> {
      if (key == "includes") return read(v, includes);
      if (key == "excludes") return read(v, excludes);
      return {};
    }));
    SeccompSyscall rule;
    TRY(read(value, rule));
    if (holds(includes) && !hits(excludes)) out.push_back(std::move(rule));
    return {};
  }

  bool has_all(const std::vector<std::string>& wanted) const {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& name) { return contains(facts_.capabilities, name); });
  }
  bool kernel_reached(const std::string& wanted) const {
    return wanted.empty() || facts_.kernel.empty() || kernel_version(facts_.kernel) >= kernel_version(wanted);
  }
  bool holds(const Condition& c) const {
    return (c.arches.empty() || contains(c.arches, "amd64")) && has_all(c.capabilities) && kernel_reached(c.min_kernel);
  }
  bool hits(const Condition& c) const {
    if (!c.any) return false;
    return contains(c.arches, "amd64") ||
           std::any_of(c.capabilities.begin(), c.capabilities.end(),
                       [&](const auto& name) { return contains(facts_.capabilities, name); }) ||
           (!c.min_kernel.empty() && kernel_reached(c.min_kernel));
  }

  const ProfileFacts& facts_;
};

}  // namespace

Result<void> read(const Value& value, Seccomp& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "defaultAction") return read(v, out.default_action);
    if (key == "defaultErrnoRet") return read(v, out.default_errno_ret);
    if (key == "architectures") return read(v, out.architectures);
    if (key == "flags") return read(v, out.flags);
    if (key == "listenerPath") return read(v, out.listener_path);
    if (key == "listenerMetadata") return read(v, out.listener_metadata);
    if (key == "syscalls") return v.items([&](const Value& item) { return read(item, out.syscalls.emplace_back()); });
    return {};
  });
}

}  // namespace json

Result<Seccomp> parse_seccomp_profile(std::string_view text, const ProfileFacts& facts) {
  TRY_ASSIGN(const json::Document document, json::Document::parse(text, {}));
  Seccomp out;
  TRY(json::ProfileReader(facts).read_profile(json::Value(document, document.root(), "seccomp profile"), out));
  if (out.default_action.empty()) return fail(Code::invalid_argument, "seccomp profile.defaultAction: is missing");
  return out;
}

}  // namespace slipway::oci
