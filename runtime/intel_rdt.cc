// Classes of service by directories.
#include "runtime/intel_rdt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "sys/file.h"
#include "sys/mountinfo.h"

namespace slipway::runtime {
namespace {

constexpr long kMagic = 0x7655821;  // RDTGROUP_SUPER_MAGIC of linux/magic.h
constexpr std::size_t kFileLimit = 64 << 10;

bool is_resctrl(const std::string& path) {
  struct statfs fs = {};
  return ::statfs(path.c_str(), &fs) == 0 && fs.f_type == kMagic;
}

std::vector<std::string> lines_of(const oci::IntelRdt& asked) {
  std::vector<std::string> out;
  if (!asked.l3_cache_schema.empty()) out.push_back(asked.l3_cache_schema);
  if (!asked.mem_bw_schema.empty()) out.push_back(asked.mem_bw_schema);
  out.insert(out.end(), asked.schemata.begin(), asked.schemata.end());
  return out;
}

// One write(2): the kernel takes each as a whole. Why it did not is in a file of its own.
Result<void> write_to(const Resctrl& resctrl, const std::string& path, const std::string& text) {
  TRY_ASSIGN(const UniqueFd fd, sys::open_path(path, O_WRONLY | O_APPEND));
  const ssize_t n = sys::retry_eintr([&] { return ::write(fd.get(), text.data(), text.size()); });
  if (n == static_cast<ssize_t>(text.size())) return {};
  const int why = n < 0 ? errno : EIO;
  const auto status = sys::read_file(resctrl.root + "/info/last_cmd_status", 4096);
  std::string said = status.ok() && status.value() != "ok\n" ? " (" + status.value() + ")" : "";
  std::erase(said, '\n');
  return fail_errno(why, "write '{}' to {}{}", std::string_view(text).substr(0, text.find('\n')), path, said);
}

Result<void> write_schemata(const Resctrl& resctrl, const std::string& group, const oci::IntelRdt& asked) {
  for (const std::string& line : lines_of(asked)) TRY(write_to(resctrl, group + "/schemata", line + "\n"));
  return {};
}

Result<void> check_schemata(const std::string& group, const oci::IntelRdt& asked) {
  const std::vector<std::string> lines = lines_of(asked);
  if (lines.empty()) return {};
  TRY_ASSIGN(const std::string text, sys::read_file(group + "/schemata", kFileLimit));
  for (const std::string& line : lines) {
    if (!has_schema(text, line)) return fail(Code::failed_precondition, "{}/schemata is there already and has no '{}'", group, line);
  }
  return {};
}

// The class: found, or made with what it shall have.
Result<void> make_class(const Resctrl& resctrl, const oci::IntelRdt& asked, const RdtGroup& group, Undo& undo) {
  const bool there = sys::exists(group.path);
  if (there && asked.clos_id.empty()) return fail(Code::already_exists, "{} is there already: it would go with the container", group.path);
  if (there) return check_schemata(group.path, asked);
  if (!asked.clos_id.empty() && lines_of(asked).empty())
    return fail(Code::not_found, "closID: there is no '{}', and no schemata to make it with", group.path);
  TRY(resctrl.make(group.path));
  TRY(undo.add("remove the class of service", [&] { return resctrl.remove(group.path); }));
  return write_schemata(resctrl, group.path, asked);
}

constexpr std::string_view kBlanks = " \t\n";

// Bit masks are hexadecimal without a prefix, with or without leading zeros; MB's percentages are decimal. Text where it is no number.
std::string normal(std::string_view resource, std::string_view value) {
  const int base = resource.starts_with("MB") || resource.starts_with("SMBA") ? 10 : 16;
  if (base == 16 && value.starts_with("0x")) value.remove_prefix(2);
  const auto number = to_number<std::uint64_t>(value, base);
  return number ? fmt::format("{}", *number) : std::string(value);
}

struct Schema {
  std::string resource;
  std::map<std::string, std::string> domains;
};

// "L3:0=7ff;1=7ff".
Schema parse_schema(std::string_view line) {
  Schema out;
  const std::size_t colon = line.find(':');
  out.resource = trim(line.substr(0, colon), kBlanks);
  std::string_view rest = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  while (!rest.empty()) {
    const std::string_view one = trim(cut(rest, ';'), kBlanks);
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos) continue;
    out.domains[std::string(trim(one.substr(0, equals), kBlanks))] = normal(out.resource, trim(one.substr(equals + 1), kBlanks));
  }
  return out;
}

}  // namespace

bool has_schema(const std::string& schemata, const std::string& line) {
  const Schema wanted = parse_schema(line);
  for (std::string_view rest = schemata; !rest.empty();) {
    const Schema found = parse_schema(cut(rest, '\n'));
    if (found.resource != wanted.resource) continue;
    return std::ranges::all_of(wanted.domains, [&](const auto& domain) {
      const auto there = found.domains.find(domain.first);
      return there != found.domains.end() && there->second == domain.second;
    });
  }
  return false;
}

Result<Resctrl> find_resctrl() {
  Resctrl out;
  out.make = [](const std::string& path) -> Result<void> {
    if (::mkdir(path.c_str(), 0755) != 0) return fail_errno(errno, "make '{}'", path);  // ENOSPC: the processor has no more of them
    return {};
  };
  out.remove = [](const std::string& path) -> Result<void> {
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "remove '{}'", path);
    return {};
  };
  if (is_resctrl("/sys/fs/resctrl")) {
    out.root = "/sys/fs/resctrl";
    return out;
  }
  TRY_ASSIGN(const auto mounts, sys::read_mountinfo("/proc/self/mountinfo"));
  for (const sys::MountLine& mount : mounts) {
    out.root = mount.point;
    if (mount.type == "resctrl" && is_resctrl(out.root)) return out;
  }
  return fail(Code::failed_precondition, "no resctrl file system is mounted");
}

RdtGroup rdt_group_of(const Resctrl& resctrl, const oci::IntelRdt& asked, const std::string& id) {
  RdtGroup out;
  out.path = asked.clos_id == "/" ? resctrl.root : resctrl.root + "/" + (asked.clos_id.empty() ? id : asked.clos_id);
  if (asked.enable_monitoring) out.monitoring = out.path + "/mon_groups/" + id;
  if (!out.monitoring.empty()) out.made.push_back(out.monitoring);
  if (asked.clos_id.empty()) out.made.push_back(out.path);
  return out;
}

Result<RdtGroup> make_rdt_group(const Resctrl& resctrl, const oci::IntelRdt& asked, const std::string& id) {
  RdtGroup group = rdt_group_of(resctrl, asked, id);
  Undo undo;
  TRY(make_class(resctrl, asked, group, undo));
  if (!group.monitoring.empty()) TRY(resctrl.make(group.monitoring).context("enableMonitoring"));
  undo.dismiss();
  return group;
}

Result<void> change_schemata(const Resctrl& resctrl, const RdtGroup& group, const oci::IntelRdt& asked) {
  return write_schemata(resctrl, group.path, asked);
}

Result<void> enter_rdt_group(const RdtGroup& group, pid_t pid) {
  const Resctrl resctrl{group.path, {}, {}};
  TRY(write_to(resctrl, group.path + "/tasks", fmt::format("{}", pid)));
  if (group.monitoring.empty()) return {};
  return write_to(resctrl, group.monitoring + "/tasks", fmt::format("{}", pid));
}

Result<void> remove_rdt_groups(const Resctrl& resctrl, const std::vector<std::string>& paths) {
  Result<void> first;
  for (const std::string& path : paths) {
    auto removed = resctrl.remove(path);
    if (first.ok()) first = std::move(removed);
  }
  return first;
}

}  // namespace slipway::runtime
