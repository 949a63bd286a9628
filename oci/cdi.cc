// Reading CDI documents and names.
#include "oci/cdi.h"

#include <algorithm>
#include <array>

#include "oci/json_value.h"

namespace slipway::oci {
namespace {

constexpr std::array<std::string_view, 6> kHooks = {"prestart",       "createRuntime", "createContainer",
                                                    "startContainer", "poststart",     "poststop"};

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Letters and digits at both ends, and between them also these.
bool is_word(std::string_view text, std::string_view between) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_alphanumeric(c) || between.find(c) != std::string_view::npos; });
}

bool is_kind(std::string_view text) {
  const auto slash = text.find('/');
  return slash != std::string_view::npos && is_word(text.substr(0, slash), "_-.") && is_word(text.substr(slash + 1), "_-.");
}

bool is_device(std::string_view text) {
  return is_word(text, "_-.:");
}

Result<void> read(const json::Value& value, CdiDeviceNode& out) {
  TRY(value.members([&](std::string_view key, const json::Value& v) -> Result<void> {
    if (key == "path") return json::read(v, out.path);
    if (key == "hostPath") return json::read(v, out.host_path);
    if (key == "type") return json::read(v, out.type);
    if (key == "major") return json::read(v, out.major);
    if (key == "minor") return json::read(v, out.minor);
    if (key == "fileMode") return json::read(v, out.file_mode);
    if (key == "permissions") return json::read(v, out.permissions);
    if (key == "uid") return json::read(v, out.uid);
    if (key == "gid") return json::read(v, out.gid);
    return v.error(Code::invalid_argument, "the field is not known");
  }));
  if (out.path.empty()) return value.error(Code::invalid_argument, "'path' is missing");
  if (!out.type.empty() && (out.type.size() != 1 || std::string_view("bcup").find(out.type[0]) == std::string_view::npos))
    return value.error(Code::invalid_argument, "the type '{}' is none of b, c, u, p", out.type);
  if (out.major < 0 || out.minor < 0) return value.error(Code::invalid_argument, "{}:{} is no device's number", out.major, out.minor);
  if (out.permissions != "none" && out.permissions.find_first_not_of("rwm") != std::string::npos)
    return value.error(Code::invalid_argument, "the permissions '{}' are neither some of 'rwm' nor 'none'", out.permissions);
  return {};
}

Result<void> read(const json::Value& value, CdiMount& out) {
  TRY(value.members([&](std::string_view key, const json::Value& v) -> Result<void> {
    if (key == "hostPath") return json::read(v, out.host_path);
    if (key == "containerPath") return json::read(v, out.container_path);
    if (key == "type") return json::read(v, out.type);
    if (key == "options") return json::read(v, out.options);
    return v.error(Code::invalid_argument, "the field is not known");
  }));
  if (out.host_path.empty() || out.container_path.empty())
    return value.error(Code::invalid_argument, "'hostPath' and 'containerPath' are needed");
  return {};
}

Result<void> read(const json::Value& value, CdiHook& out) {
  TRY(value.members([&](std::string_view key, const json::Value& v) -> Result<void> {
    if (key == "hookName") return json::read(v, out.name);
    if (key == "path") return json::read(v, out.hook.path);
    if (key == "args") return json::read(v, out.hook.args);
    if (key == "env") return json::read(v, out.hook.env);
    if (key == "timeout") return json::read(v, out.hook.timeout);
    return v.error(Code::invalid_argument, "the field is not known");
  }));
  if (std::find(kHooks.begin(), kHooks.end(), out.name) == kHooks.end())
    return value.error(Code::invalid_argument, "the hook '{}' is not known", out.name);
  if (out.hook.path.empty()) return value.error(Code::invalid_argument, "'path' is missing");
  return {};
}

template <class T>
Result<void> read_list(const json::Value& value, std::vector<T>& out) {
  return value.items([&](const json::Value& item) { return read(item, out.emplace_back()); });
}

Result<void> read(const json::Value& value, CdiEdits& out) {
  return value.members([&](std::string_view key, const json::Value& v) -> Result<void> {
    if (key == "deviceNodes") return read_list(v, out.device_nodes);
    if (key == "mounts") return read_list(v, out.mounts);
    if (key == "hooks") return read_list(v, out.hooks);
    if (key == "additionalGids") return json::read(v, out.additional_gids);
    if (key == "intelRdt" || key == "netDevices") {
      if (!json::asks_for_nothing(v)) out.unsupported.emplace_back(key);
      return {};
    }
    if (key != "env") return v.error(Code::invalid_argument, "the field is not known");
    TRY(json::read(v, out.env));
    for (const std::string& entry : out.env)
      if (entry.find('=') == std::string::npos || entry[0] == '=') return v.error(Code::invalid_argument, "'{}' is not NAME=VALUE", entry);
    return {};
  });
}

Result<void> read_device(const json::Value& value, std::map<std::string, CdiEdits>& out) {
  std::string name;
  CdiEdits edits;
  TRY(value.members([&](std::string_view key, const json::Value& v) -> Result<void> {
    if (key == "name") return json::read(v, name);
    if (key == "containerEdits") return read(v, edits);
    if (key == "annotations") return {};
    return v.error(Code::invalid_argument, "the field is not known");
  }));
  if (!is_device(name)) return value.error(Code::invalid_argument, "'{}' is no name of a device", name);
  if (!out.emplace(name, std::move(edits)).second) return value.error(Code::invalid_argument, "the device '{}' is there twice", name);
  return {};
}

}  // namespace

Result<CdiSpec> parse_cdi(std::string_view text) {
  TRY_ASSIGN(const json::Document document, json::Document::parse(text, {}));
  const json::Value root(document, document.root(), "");
  CdiSpec out;
  TRY(root.members([&](std::string_view key, const json::Value& v) -> Result<void> {
    if (key == "cdiVersion") return json::read(v, out.version);
    if (key == "kind") return json::read(v, out.kind);
    if (key == "devices") return v.items([&](const json::Value& item) { return read_device(item, out.devices); });
    if (key == "containerEdits") return read(v, out.edits);
    if (key == "annotations") return {};
    return v.error(Code::invalid_argument, "the field is not known");
  }));
  if (!out.version.starts_with("0.") && !out.version.starts_with("1."))
    return fail(Code::invalid_argument, "cdiVersion: '{}' is none from 0.1 to 1.x", out.version);
  if (!is_kind(out.kind)) return fail(Code::invalid_argument, "kind: '{}' is not of the form VENDOR/CLASS", out.kind);
  return out;
}

Result<CdiName> parse_cdi_name(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || !is_kind(text.substr(0, equals)) || !is_device(text.substr(equals + 1)))
    return fail(Code::invalid_argument, "CDI_devices: '{}' is not of the form VENDOR/CLASS=DEVICE", text);
  return CdiName{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

}  // namespace slipway::oci
