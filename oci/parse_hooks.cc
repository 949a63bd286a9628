// The `hooks` object of config.json.
#include "oci/parse_parts.h"

namespace slipway::oci::json {
namespace {

Result<void> read(const Value& value, Hook& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "path") return json::read(v, out.path);
    if (key == "args") return json::read(v, out.args);
    if (key == "env") return json::read(v, out.env);
    if (key == "timeout") return json::read(v, out.timeout);
    return {};
  });
}

Result<void> read(const Value& value, std::vector<Hook>& out) {
  return value.items([&](const Value& item) { return read(item, out.emplace_back()); });
}

}  // namespace

Result<void> read(const Value& value, Hooks& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "prestart") return read(v, out.prestart);
    if (key == "createRuntime") return read(v, out.create_runtime);
    if (key == "createContainer") return read(v, out.create_container);
    if (key == "startContainer") return read(v, out.start_container);
    if (key == "poststart") return read(v, out.poststart);
    if (key == "poststop") return read(v, out.poststop);
    return {};  // unknown properties MUST be ignored (config.md, "Extensibility")
  });
}

}  // namespace slipway::oci::json
