// slipway ps: the processes of a container, by their cgroup.
#include "cgroups/cgroup.h"
#include "runtime/command/command.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"format", "f", true}};

std::string name_of(pid_t pid) {
  auto name = sys::read_file(fmt::format("/proc/{}/comm", pid), 64);
  if (!name.ok()) return "-\n";  // ended meanwhile
  return std::move(name).take();
}

}  // namespace

Result<int> ps_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  const std::string format = arguments.value("format", "table");
  if (format != "table" && format != "json") return fail(Code::invalid_argument, "--format: '{}' is neither table nor json", format);
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY_ASSIGN(const cgroups::Cgroup cgroup, open_cgroup(found.record));
  TRY_ASSIGN(const auto pids, cgroup.processes_below());
  std::string out = format == "json" ? "[" : fmt::format("{:<10}  {}\n", "PID", "NAME");
  for (const pid_t pid : pids) {
    if (format == "json") {
      out += fmt::format("{}{}", out.size() > 1 ? "," : "", pid);
    } else {
      out += fmt::format("{:<10}  {}", pid, name_of(pid));
    }
  }
  print(format == "json" ? out + "]\n" : out);
  return 0;
}

}  // namespace slipway::runtime::command
