// The `process` object of config.json, and the document of `exec --process`.
#include "oci/parse_parts.h"

namespace slipway::oci::json {
namespace {

Result<void> read(const Value& value, ConsoleSize& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "height") return json::read(v, out.height);
    if (key == "width") return json::read(v, out.width);
    return {};
  });
}

Result<void> read(const Value& value, User& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "uid") return json::read(v, out.uid);
    if (key == "gid") return json::read(v, out.gid);
    if (key == "umask") return json::read(v, out.umask);
    if (key == "additionalGids") return json::read(v, out.additional_gids);
    if (key == "username") return refuse_unless_empty(v);  // Windows: to ignore it would run as root
    return {};
  });
}

Result<void> read(const Value& value, Capabilities& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "bounding") return json::read(v, out.bounding);
    if (key == "effective") return json::read(v, out.effective);
    if (key == "inheritable") return json::read(v, out.inheritable);
    if (key == "permitted") return json::read(v, out.permitted);
    if (key == "ambient") return json::read(v, out.ambient);
    return {};
  });
}

Result<void> read(const Value& value, Rlimit& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "type") return json::read(v, out.type);
    if (key == "hard") return json::read(v, out.hard);
    if (key == "soft") return json::read(v, out.soft);
    return {};
  });
}

Result<void> read(const Value& value, Scheduler& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "policy") return json::read(v, out.policy);
    if (key == "nice") return json::read(v, out.nice);
    if (key == "priority") return json::read(v, out.priority);
    if (key == "flags") return json::read(v, out.flags);
    if (key == "runtime") return json::read(v, out.runtime);
    if (key == "deadline") return json::read(v, out.deadline);
    if (key == "period") return json::read(v, out.period);
    return {};
  });
}

Result<void> read(const Value& value, IoPriority& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "class") return json::read(v, out.io_class);
    if (key == "priority") return json::read(v, out.priority);
    return {};
  });
}

Result<void> read(const Value& value, CpuAffinity& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "initial") return json::read(v, out.initial);
    if (key == "final") return json::read(v, out.final);
    return {};
  });
}

}  // namespace

Result<void> read(const Value& value, Process& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "terminal") return read(v, out.terminal);
    if (key == "consoleSize") return read(v, out.console_size.emplace());
    if (key == "user") return read(v, out.user);
    if (key == "args") return read(v, out.args);
    if (key == "env") return read(v, out.env);
    if (key == "cwd") return read(v, out.cwd);
    if (key == "capabilities") return read(v, out.capabilities.emplace());
    if (key == "rlimits") return v.items([&](const Value& item) { return read(item, out.rlimits.emplace_back()); });
    if (key == "noNewPrivileges") return read(v, out.no_new_privileges);
    if (key == "apparmorProfile") return read(v, out.apparmor_profile);
    if (key == "selinuxLabel") return read(v, out.selinux_label);
    if (key == "oomScoreAdj") return read(v, out.oom_score_adj);
    if (key == "scheduler" && v.size() > 0) return read(v, out.scheduler.emplace());
    if (key == "ioPriority" && v.size() > 0) return read(v, out.io_priority.emplace());
    if (key == "execCPUAffinity") return read(v, out.exec_cpu_affinity.emplace());
    if (key == "commandLine") return refuse_unless_empty(v);  // Windows
    return {};
  });
}

}  // namespace slipway::oci::json
