// The top of config.json: what is neither process nor linux.
#include "oci/parse.h"

#include "oci/parse_parts.h"

namespace slipway::oci {
namespace json {

namespace {

Result<void> read(const Value& value, Root& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "path") return json::read(v, out.path);
    if (key == "readonly") return json::read(v, out.readonly);
    return {};
  });
}

Result<void> read(const Value& value, Mount& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "destination") return json::read(v, out.destination);
    if (key == "type") return json::read(v, out.type);
    if (key == "source") return json::read(v, out.source);
    if (key == "options") return json::read(v, out.options);
    if (key == "uidMappings") return json::read(v, out.uid_mappings);
    if (key == "gidMappings") return json::read(v, out.gid_mappings);
    return {};
  });
}

// A section for another platform: there may be an empty object.
bool is_refused_section(std::string_view key) {
  return key == "solaris" || key == "windows" || key == "vm" || key == "zos" || key == "freebsd";
}

}  // namespace

Result<void> read(const Value& value, Spec& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "ociVersion") return read(v, out.oci_version);
    if (key == "process") return read(v, out.process.emplace());
    if (key == "root") return read(v, out.root.emplace());
    if (key == "hostname") return read(v, out.hostname);
    if (key == "domainname") return read(v, out.domainname);
    if (key == "mounts") return v.items([&](const Value& item) { return read(item, out.mounts.emplace_back()); });
    if (key == "linux") return read(v, out.linux_);
    if (key == "annotations") return read(v, out.annotations);
    if (key == "hooks") return read(v, out.hooks.emplace());
    if (is_refused_section(key)) return refuse_unless_empty(v);
    return {};
  });
}

}  // namespace json

Result<Spec> parse_spec(std::string_view text) {
  return json::parse_as<Spec>(text, "");
}
Result<Process> parse_process(std::string_view text) {
  return json::parse_as<Process>(text, "process");
}
Result<Resources> parse_resources(std::string_view text) {
  return json::parse_as<Resources>(text, "linux.resources");
}

}  // namespace slipway::oci
