// state.json and the specification's state as JSON.
#include "runtime/container_record.h"

#include "oci/json.h"
#include "oci/json_value.h"

namespace slipway::runtime {
namespace {

using oci::json::append_quoted;

void add_text(std::string& out, std::string_view name, std::string_view value) {
  if (out.size() > 1) out += ',';
  append_quoted(out, name);
  out += ':';
  append_quoted(out, value);
}

void add_number(std::string& out, std::string_view name, std::uint64_t value) {
  if (out.size() > 1) out += ',';
  append_quoted(out, name);
  out += fmt::format(":{}", value);
}

void add_texts(std::string& out, std::string_view name, const std::vector<std::string>& values) {
  if (values.empty()) return;
  std::string inner;
  for (const std::string& value : values) {
    inner += inner.empty() ? '[' : ',';
    append_quoted(inner, value);
  }
  out += ',';
  append_quoted(out, name);
  out += ':' + inner + ']';
}

void add_annotations(std::string& out, const std::map<std::string, std::string>& annotations) {
  if (annotations.empty()) return;
  std::string inner = "{";
  for (const auto& [name, value] : annotations) add_text(inner, name, value);
  out += ",\"annotations\":" + inner + "}";
}

Result<void> read_member(std::string_view name, const oci::json::Value& value, ContainerRecord& out) {
  using oci::json::read;
  if (name == "ociVersion") return read(value, out.oci_version);
  if (name == "id") return read(value, out.id);
  if (name == "pid") return read(value, out.pid);
  if (name == "startTime") return read(value, out.start_time);
  if (name == "bundle") return read(value, out.bundle);
  if (name == "rootfs") return read(value, out.rootfs);
  if (name == "cgroup") return read(value, out.cgroup);
  if (name == "scope") return read(value, out.scope);
  if (name == "cgroupKept") return read(value, out.cgroup_kept);
  if (name == "hooks") return read(value, out.hooks);
  if (name == "hostRoot") return read(value, out.host_root);
  if (name == "created") return read(value, out.created);
  if (name == "descriptors") return read(value, out.descriptors);
  if (name == "resctrl") return read(value, out.resctrl);
  if (name == "checkpointed") return read(value, out.checkpointed);
  if (name == "annotations") return read(value, out.annotations);
  return {};
}

}  // namespace

std::string write_record(const ContainerRecord& record) {
  std::string out = "{";
  add_text(out, "ociVersion", record.oci_version);
  add_text(out, "id", record.id);
  add_number(out, "pid", static_cast<std::uint64_t>(record.pid));
  add_number(out, "startTime", record.start_time);
  add_text(out, "bundle", record.bundle);
  add_text(out, "rootfs", record.rootfs);
  add_text(out, "cgroup", record.cgroup);
  if (record.scope) out += ",\"scope\":true";
  if (record.cgroup_kept) out += ",\"cgroupKept\":true";
  if (record.hooks) out += ",\"hooks\":true";
  if (record.host_root) out += ",\"hostRoot\":true";
  add_text(out, "created", record.created);
  add_texts(out, "descriptors", record.descriptors);
  add_texts(out, "resctrl", record.resctrl);
  if (record.checkpointed) out += ",\"checkpointed\":true";
  add_annotations(out, record.annotations);
  return out + "}\n";
}

Result<ContainerRecord> parse_record(std::string_view json) {
  TRY_ASSIGN(const auto document, oci::json::Document::parse(json, {}));
  const oci::json::Value root(document, document.root(), "");
  ContainerRecord record;
  TRY(root.members([&](std::string_view name, const oci::json::Value& value) { return read_member(name, value, record); }));
  if (record.id.empty() || record.pid <= 0) return fail(Code::data_loss, "state.json: id or pid is missing");
  return record;
}

std::string_view to_string(Status status) {
  switch (status) {
    case Status::creating: return "creating";
    case Status::created: return "created";
    case Status::running: return "running";
    case Status::paused: return "paused";
    case Status::stopped: return "stopped";
  }
  return "unknown";
}

std::string write_state(const ContainerRecord& record, Status status, std::string_view owner) {
  std::string out = "{";
  add_text(out, "ociVersion", record.oci_version);
  add_text(out, "id", record.id);
  add_number(out, "pid", status == Status::stopped ? 0 : static_cast<std::uint64_t>(record.pid));
  add_text(out, "status", to_string(status));
  add_text(out, "bundle", record.bundle);
  add_text(out, "rootfs", record.rootfs);
  add_text(out, "created", record.created);
  add_annotations(out, record.annotations);
  add_text(out, "owner", owner);
  return out + "}";
}

std::string write_hook_state(const ContainerRecord& record, Status status) {
  std::string out = "{";
  add_text(out, "ociVersion", record.oci_version);
  add_text(out, "id", record.id);
  add_text(out, "status", to_string(status));
  if (status != Status::stopped) add_number(out, "pid", static_cast<std::uint64_t>(record.pid));
  add_text(out, "bundle", record.bundle);
  add_annotations(out, record.annotations);
  return out + "}";
}

}  // namespace slipway::runtime
