// Calls of org.freedesktop.systemd1.Manager.
#include "cgroups/systemd.h"

#include <charconv>

#include "cgroups/cgroup.h"
#include "cgroups/unit_names.h"

namespace slipway::cgroups {
namespace {

constexpr const char* kName = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kProperties = "org.freedesktop.DBus.Properties";

dbus::Call manager_call(std::string member, std::string signature, const dbus::Writer& body) {
  return {kName, kPath, kManager, std::move(member), std::move(signature), body.bytes()};
}

struct JobEnd {
  std::string_view unit, result;
};

// JobRemoved(u id, o job, s unit, s result)
Result<JobEnd> read_job_end(const dbus::Message& message) {
  dbus::Reader in(message.body);
  TRY(in.u32());
  TRY(in.string());
  JobEnd out;
  TRY_ASSIGN(out.unit, in.string());
  TRY_ASSIGN(out.result, in.string());
  return out;
}

}  // namespace

Result<Systemd> Systemd::connect(int timeout_ms, const std::string& bus) {
  TRY_ASSIGN(dbus::Bus connected, dbus::Bus::connect(bus, timeout_ms).context("reach systemd"));
  return Systemd(std::move(connected));
}

// A job's end is told to who began it, by a signal that only comes where it was asked for before. The filter on arg2 keeps the jobs of
// fifty other pods away.
Result<void> Systemd::run_job(const std::string& unit, const dbus::Call& call) {
  TRY(bus_.add_match(
      fmt::format("type='signal',sender='{}',path='{}',interface='{}',member='JobRemoved',arg2='{}'", kName, kPath, kManager, unit)));
  TRY(bus_.call(call));
  std::string result;
  const auto ended = bus_.wait_signal([&](const dbus::Message& message) {
    if (message.member != "JobRemoved" || message.interface != kManager) return false;
    const auto end = read_job_end(message);
    if (!end.ok() || end.value().unit != unit) return false;
    result = end.value().result;
    return true;
  });
  if (!ended.ok()) return ended.error();
  if (result == "done") return {};
  return fail(result == "timeout" ? Code::deadline_exceeded : Code::aborted, "systemd's job ended with '{}'", result);
}

Result<void> Systemd::start_transient(const std::string& unit, const std::vector<Property>& properties) {
  dbus::Writer body;
  body.string(unit);
  body.string("fail");
  put_properties(body, properties);
  body.end_array(body.begin_array(8));  // no further units
  return run_job(unit, manager_call("StartTransientUnit", "ssa(sv)a(sa(sv))", body)).context("start the unit {}", unit);
}

Result<void> Systemd::set_properties(const std::string& unit, const std::vector<Property>& properties) {
  dbus::Writer body;
  body.string(unit);
  body.boolean(true);  // runtime: not written to /etc
  put_properties(body, properties);
  const auto set = bus_.call(manager_call("SetUnitProperties", "sba(sv)", body));
  if (!set.ok()) return Result<void>(set.error()).context("set properties of the unit {}", unit);
  // systemd answers first and writes the files in the same round of its loop: the next call is answered after that.
  TRY(version());
  return {};
}

Result<void> Systemd::stop(const std::string& unit) {
  dbus::Writer body;
  body.string(unit);
  body.string("replace");
  auto stopped = run_job(unit, manager_call("StopUnit", "ss", body));
  if (!stopped.ok() && stopped.error().code == Code::not_found) return {};
  return std::move(stopped).context("stop the unit {}", unit);
}

Result<void> Systemd::reset_failed(const std::string& unit) {
  dbus::Writer body;
  body.string(unit);
  const auto reset = bus_.call(manager_call("ResetFailedUnit", "s", body));
  if (reset.ok() || reset.error().code == Code::not_found) return {};
  return Result<void>(reset.error()).context("reset the unit {}", unit);
}

Result<unsigned> Systemd::version() {
  dbus::Writer body;
  body.string(kManager);
  body.string("Version");
  TRY_ASSIGN(const dbus::Message reply, bus_.call({kName, kPath, kProperties, "Get", "ss", body.bytes()}));
  dbus::Reader in(reply.body);
  TRY_ASSIGN(const std::string_view type, in.signature());
  if (type != "s") return fail(Code::data_loss, "systemd's version is of the type '{}'", type);
  TRY_ASSIGN(std::string_view text, in.string());
  if (text.starts_with('v')) text.remove_prefix(1);
  unsigned out = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), out).ec != std::errc{})
    return fail(Code::data_loss, "systemd's version '{}' does not begin with a number", text);
  return out;
}

Result<void> start_slice(const std::string& path, const std::string& description) {
  const std::string unit = unit_of(path);
  TRY_ASSIGN(Systemd systemd, Systemd::connect());
  auto started = systemd.start_transient(unit, {{"Description", description},
                                                {"DefaultDependencies", true},
                                                {"CPUAccounting", true},
                                                {"MemoryAccounting", true},
                                                {"TasksAccounting", true},
                                                {"IOAccounting", true}});
  if (!started.ok() && started.error().code == Code::already_exists) return {};
  return started;
}

Result<void> apply_to_unit(const Root& root, const std::string& path, const oci::Resources& resources) {
  TRY_ASSIGN(const Cgroup cgroup, Cgroup::open(root, path));
  TRY(cgroup.apply(resources));  // first: it refuses with the kernel's own reason, before systemd is told anything
  const std::vector<Property> properties = plan_properties(resources);
  if (properties.empty()) return {};
  TRY_ASSIGN(Systemd systemd, Systemd::connect());
  TRY(systemd.set_properties(unit_of(path), properties));
  // Once more: systemd has written its own roundings.
  oci::Resources exact = resources;
  if (exact.memory) exact.memory->check_before_update.reset();
  return cgroup.apply(exact);
}

Result<void> kill_and_stop_unit(const Root& root, const std::string& path, int timeout_ms) {
  const auto cgroup = Cgroup::open(root, path);
  if (cgroup.ok()) {
    TRY_ASSIGN(const bool empty, cgroup.value().kill_and_wait(timeout_ms));
    if (!empty) return fail(Code::failed_precondition, "end the unit {}: it still has processes", unit_of(path));
  } else if (cgroup.error().code != Code::not_found) {
    return cgroup.error();
  }
  // A directory that we removed under systemd would leave it with a unit that it believes alive: it is asked, and then looked after.
  TRY_ASSIGN(Systemd systemd, Systemd::connect());
  TRY(systemd.stop(unit_of(path)));
  return Cgroup::kill_and_remove(root, path, timeout_ms);
}

}  // namespace slipway::cgroups
