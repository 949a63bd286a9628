// slipway spec: a config.json to begin with.
#include <fcntl.h>
#include <unistd.h>

#include "oci/parse.h"
#include "runtime/command/command.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"bundle", "b", true}, {"file", "f", true}, {"rootless", "", false}};

oci::Process default_process() {
  oci::Process process;
  process.terminal = true;
  process.args = {"sh"};
  process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  process.no_new_privileges = true;
  const std::vector<std::string> few = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  process.capabilities = oci::Capabilities{few, few, {}, few, {}};
  process.rlimits = {{"RLIMIT_NOFILE", 1024, 1024}};
  return process;
}

std::vector<oci::Mount> default_mounts() {
  return {
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, {}, {}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}, {}, {}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}, {}, {}},
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}, {}, {}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}, {}, {}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}, {}, {}},
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}, {}, {}},
  };
}

oci::Spec default_spec() {
  oci::Spec spec;
  spec.oci_version = kSpecVersion;
  spec.process = default_process();
  spec.root = oci::Root{"rootfs", true};
  spec.hostname = "slipway";
  spec.mounts = default_mounts();
  using Type = oci::NamespaceType;
  for (const Type type : {Type::pid, Type::network, Type::ipc, Type::uts, Type::mount, Type::cgroup})
    spec.linux_.namespaces.push_back({type, ""});
  spec.linux_.resources = oci::Resources{};
  spec.linux_.resources->devices = {{false, "a", std::nullopt, std::nullopt, "rwm"}};
  spec.linux_.masked_paths = {"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
                              "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                              "/proc/scsi",          "/proc/interrupts", "/sys/firmware",     "/sys/devices/virtual/powercap"};
  spec.linux_.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  return spec;
}

// For the user who asks: as root of a user namespace with one id. No network namespace, since nobody would give it a network, and so no
// sysfs of its own; no limits, since nobody may have delegated a cgroup.
oci::Spec rootless_spec() {
  oci::Spec spec = default_spec();
  auto& namespaces = spec.linux_.namespaces;
  std::erase_if(namespaces, [](const oci::Namespace& ns) { return ns.type == oci::NamespaceType::network; });
  namespaces.push_back({oci::NamespaceType::user, ""});
  spec.linux_.uid_mappings = {{0, ::geteuid(), 1}};
  spec.linux_.gid_mappings = {{0, ::getegid(), 1}};
  spec.linux_.resources.reset();
  for (oci::Mount& mount : spec.mounts) {
    if (mount.type == "sysfs") mount = {"/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "rro"}, {}, {}};
    std::erase(mount.options, "gid=5");  // the group tty is not mapped
  }
  std::erase_if(spec.mounts, [](const oci::Mount& mount) { return mount.type == "cgroup"; });  // the bind of /sys shows it
  return spec;
}

// It is to be edited: each member and element has a line.
std::string for_people(std::string_view json) {
  std::string out;
  std::size_t depth = 0;
  bool quoted = false;
  const auto new_line = [&] { out.append(1, '\n').append(2 * depth, ' '); };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    const bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
    if (quoted) {
      out += c;
      if (c == '\\') out += json[++i];
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    if (closes) {
      --depth;
      new_line();
    }
    out += c;
    if (c == ':') out += ' ';
    if (opens && (json[i + 1] == '}' || json[i + 1] == ']')) {
      out += json[++i];
    } else if (opens) {
      ++depth;
      new_line();
    }
    if (c == ',') new_line();
  }
  return out += '\n';
}

}  // namespace

Result<int> spec_verb(const Global&, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY(no_more_than(arguments, 0));
  const std::string file = arguments.value("file", "config.json");
  const std::string path = file.starts_with('/') ? file : arguments.value("bundle", ".") + "/" + file;
  auto fd = sys::open_path(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (!fd.ok() && fd.error().sys_errno == EEXIST) return fail(Code::already_exists, "'{}' is there already: remove it first", path);
  if (!fd.ok()) return std::move(fd).error();
  TRY(sys::write_all(fd.value(), for_people(oci::write_spec(arguments.has("rootless") ? rootless_spec() : default_spec()))));
  return 0;
}

}  // namespace slipway::runtime::command
