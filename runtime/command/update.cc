// slipway update: other limits for a container that lives.
#include <unistd.h>

#include <charconv>

#include "base/text.h"
#include "cgroups/device_bpf.h"
#include "cgroups/systemd.h"
#include "oci/parse.h"
#include "runtime/command/command.h"
#include "runtime/intel_rdt.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {
    {"resources", "r", true},      {"blkio-weight", "", true},  {"cpu-period", "", true},        {"cpu-quota", "", true},
    {"cpu-burst", "", true},       {"cpu-share", "", true},     {"cpuset-cpus", "", true},       {"cpuset-mems", "", true},
    {"cpu-idle", "", true},        {"memory", "m", true},       {"memory-swap", "", true},       {"memory-reservation", "", true},
    {"pids-limit", "", true},      {"cpu-rt-period", "", true}, {"cpu-rt-runtime", "", true},    {"kernel-memory", "", true},
    {"l3-cache-schema", "", true}, {"mem-bw-schema", "", true}, {"kernel-memory-tcp", "", true},
};

template <class T>
Result<void> set_number(const Arguments& arguments, std::string_view flag, std::optional<T>& out) {
  if (!arguments.has(flag)) return {};
  const std::string text = arguments.value(flag);
  const auto number = to_number<T>(text);
  if (!number) return fail(Code::invalid_argument, "--{}: '{}' is not a number", flag, text);
  out = *number;
  return {};
}

// "m", "MB", "MiB": the power of two that it stands for, as runc takes it.
std::optional<int> shift_of(std::string_view unit) {
  if (unit.empty()) return 0;
  if (unit.size() > 1 && (unit.back() | 0x20) == 'b') unit.remove_suffix(1);
  if (unit.size() > 1 && (unit.back() | 0x20) == 'i') unit.remove_suffix(1);
  constexpr std::string_view kUnits = "bkmgtp";
  const std::size_t at = unit.size() == 1 ? kUnits.find(static_cast<char>(unit[0] | 0x20)) : std::string_view::npos;
  return at == std::string_view::npos ? std::nullopt : std::optional(static_cast<int>(10 * at));
}

// "67108864", "64m", "1.5GiB": bytes, or with a unit of 1024; "-1": no limit.
std::optional<std::int64_t> parse_bytes(std::string_view text) {
  if (text == "-1") return -1;
  if (text.starts_with('-')) return std::nullopt;
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  double fraction = 0;
  auto read = std::from_chars(text.data(), end, whole);
  if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '.')
    read = std::from_chars(read.ptr, end, fraction, std::chars_format::fixed);
  const auto shift = shift_of(text.substr(static_cast<std::size_t>(read.ptr - text.data())));
  if (read.ec != std::errc{} || !shift || whole > (INT64_MAX >> *shift)) return std::nullopt;
  const auto more = static_cast<std::int64_t>(fraction * static_cast<double>(std::int64_t{1} << *shift));
  return more > INT64_MAX - (whole << *shift) ? std::nullopt : std::optional((whole << *shift) + more);
}

Result<void> set_bytes(const Arguments& arguments, std::string_view flag, std::optional<std::int64_t>& out) {
  if (!arguments.has(flag)) return {};
  const std::string text = arguments.value(flag);
  const auto bytes = parse_bytes(text);
  if (!bytes) return fail(Code::invalid_argument, "--{}: '{}' is not a number of bytes", flag, text);
  out = bytes;
  return {};
}

// Limits of version 1 that version 2 has nothing for: only what they would not change is accepted.
Result<void> refuse_old(const Arguments& arguments) {
  for (const std::string_view flag : {"cpu-rt-period", "cpu-rt-runtime", "kernel-memory", "kernel-memory-tcp"}) {
    const std::string text = arguments.value(flag);
    if (!text.empty() && text != "0" && text != "-1")
      return fail(Code::invalid_argument, "--{}: '{}': cgroup v2 has no such limit", flag, text);
  }
  return {};
}

// The flags over what the document says.
Result<void> add_flags(const Arguments& arguments, oci::Resources& out) {
  oci::Memory memory = out.memory.value_or(oci::Memory{});
  oci::Cpu cpu = out.cpu.value_or(oci::Cpu{});
  oci::BlockIo io = out.block_io.value_or(oci::BlockIo{});
  TRY(set_bytes(arguments, "memory", memory.limit));
  TRY(set_bytes(arguments, "memory-swap", memory.swap));
  TRY(set_bytes(arguments, "memory-reservation", memory.reservation));
  TRY(set_number(arguments, "cpu-period", cpu.period));
  TRY(set_number(arguments, "cpu-quota", cpu.quota));
  TRY(set_number(arguments, "cpu-burst", cpu.burst));
  TRY(set_number(arguments, "cpu-share", cpu.shares));
  TRY(set_number(arguments, "cpu-idle", cpu.idle));
  cpu.cpus = arguments.value("cpuset-cpus", cpu.cpus);
  cpu.mems = arguments.value("cpuset-mems", cpu.mems);
  TRY(set_number(arguments, "pids-limit", out.pids_limit));
  TRY(set_number(arguments, "blkio-weight", io.weight));
  out.memory = memory;
  out.cpu = cpu;
  out.block_io = io;
  return {};
}

Result<oci::Resources> load(const Arguments& arguments) {
  oci::Resources out;
  if (arguments.has("resources")) {
    const std::string path = arguments.value("resources");
    std::string text;
    if (path == "-") {
      TRY_ASSIGN(text, sys::read_fd(FdRef(STDIN_FILENO), oci::kMaxDocument));
    } else {
      TRY_ASSIGN(text, sys::read_file(path, oci::kMaxDocument));
    }
    TRY_ASSIGN(out, oci::parse_resources(text).context("--resources"));
  }
  TRY(refuse_old(arguments));
  TRY(add_flags(arguments, out));
  return out;
}

Result<void> update_rdt(const Arguments& arguments, const Found& found) {
  oci::IntelRdt asked;
  asked.l3_cache_schema = arguments.value("l3-cache-schema");
  asked.mem_bw_schema = arguments.value("mem-bw-schema");
  if (asked.l3_cache_schema.empty() && asked.mem_bw_schema.empty()) return {};
  TRY_ASSIGN(const std::string text, found.dir.read_config());
  TRY_ASSIGN(const oci::Spec spec, oci::parse_spec(text).context("config.json"));
  if (!spec.linux_.intel_rdt)
    return fail(Code::failed_precondition, "container '{}' was made without it: it is in a class of others", found.record.id);
  TRY_ASSIGN(const Resctrl resctrl, find_resctrl());
  return change_schemata(resctrl, rdt_group_of(resctrl, *spec.linux_.intel_rdt, found.record.id), asked);
}

// New device rules take the place of all former ones, at once; none given: those stay. The filter is ours with systemd too.
Result<void> update_cgroup(const ContainerRecord& record, const oci::Resources& resources) {
  TRY_ASSIGN(const cgroups::Cgroup cgroup, open_cgroup(record));
  if (record.scope) {
    TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
    TRY(cgroups::apply_to_unit(root, record.cgroup, resources));
  } else {
    TRY(cgroup.apply(resources));
  }
  if (resources.devices.empty()) return {};
  return cgroups::apply_devices(cgroup.dir(), cgroups::with_defaults(resources.devices));
}

}  // namespace

Result<int> update_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  TRY_ASSIGN(const oci::Resources resources, load(arguments));
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY(found.dir.lock());
  TRY_ASSIGN(const auto process, open_process(found.record));
  if (!process) return fail(Code::failed_precondition, "container '{}' is stopped: it cannot be updated", id);
  TRY(update_rdt(arguments, found).context("linux.intelRdt"));
  TRY(update_cgroup(found.record, resources));
  return 0;
}

}  // namespace slipway::runtime::command
