// slipway ps: the processes of a container, by their cgroup; as a table, the host's ps(1) tells about them.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "runtime/command/command.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"format", "f", true}};
constexpr std::size_t kMostOutput = 64 << 20;

using Pids = std::vector<pid_t>;

Result<Pids> pids_of(const ContainerRecord& record) {
  TRY_ASSIGN(const cgroups::Cgroup cgroup, open_cgroup(record));
  return cgroup.processes_below();
}

std::string json(const Pids& pids) {
  std::string out = "[";
  for (const pid_t pid : pids) out += fmt::format("{}{}", out.size() > 1 ? "," : "", pid);
  return out + "]\n";
}

Result<std::string> output_of_ps(const std::string& program, std::vector<std::string> options) {
  TRY_ASSIGN(sys::Pipe pipe, sys::make_pipe());
  sys::SpawnRequest request;
  request.program = program;
  request.argv = {"ps"};
  request.argv.insert(request.argv.end(), options.begin(), options.end());
  for (char** entry = environ; *entry != nullptr; ++entry) request.env.emplace_back(*entry);
  request.stdio[1] = pipe.write.get();
  request.stdio[2] = STDERR_FILENO;
  TRY_ASSIGN(sys::Child child, sys::spawn(request));
  pipe.write.reset();
  TRY_ASSIGN(std::string text, sys::read_fd(pipe.read, kMostOutput));
  TRY_ASSIGN(const sys::ExitStatus status, child.wait());
  if (status.code != 0) return fail(Code::invalid_argument, "{} ended with {}", program, status.code);
  return text;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty()) return out;
    out.push_back(line.substr(0, line.find_first_of(" \t")));
    line.remove_prefix(out.back().size());
  }
}

// The heading, and the lines whose column PID has one of these.
Result<std::string> lines_of(std::string_view text, const Pids& pids) {
  std::string out;
  std::size_t column = 0;
  for (bool heading = true; !text.empty(); heading = false) {
    const std::string_view line = cut(text, '\n');
    const std::vector<std::string_view> fields = fields_of(line);
    if (heading) {
      column = static_cast<std::size_t>(std::ranges::find(fields, "PID") - fields.begin());
      if (column == fields.size())
        return fail(Code::invalid_argument, "ps: its options leave no column PID to tell the container's processes by");
    } else {
      pid_t pid = 0;
      const std::string_view field = column < fields.size() ? fields[column] : "";
      if (std::from_chars(field.data(), field.data() + field.size(), pid).ec != std::errc{}) continue;
      if (std::ranges::find(pids, pid) == pids.end()) continue;
    }
    out.append(line).push_back('\n');
  }
  return out;
}

std::string name_of(pid_t pid) {
  auto name = sys::read_file(fmt::format("/proc/{}/comm", pid), 64);
  if (!name.ok()) return "-\n";  // ended meanwhile
  return std::move(name).take();
}

// A host without ps(1).
std::string own_table(const Pids& pids) {
  std::string out = fmt::format("{:<10}  {}\n", "PID", "NAME");
  for (const pid_t pid : pids) out += fmt::format("{:<10}  {}", pid, name_of(pid));
  return out;
}

Result<std::string> table(const Pids& pids, std::vector<std::string> options) {
  const std::string program = sys::find_program("ps", ::getenv("PATH") ?: "/usr/sbin:/usr/bin:/sbin:/bin");
  if (program.empty() && options.empty()) return own_table(pids);
  if (program.empty()) return fail(Code::failed_precondition, "ps: '{}' is for ps(1), which is not in PATH", options[0]);
  if (options.empty()) options = {"-ef"};
  TRY_ASSIGN(const std::string text, output_of_ps(program, std::move(options)));
  return lines_of(text, pids);
}

}  // namespace

// What follows the id is ps(1)'s.
Result<int> ps_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, true));
  TRY_ASSIGN(const std::string id, container_id(arguments, SIZE_MAX));
  const std::string format = arguments.value("format", "table");
  if (format != "table" && format != "json") return fail(Code::invalid_argument, "--format: '{}' is neither table nor json", format);
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY_ASSIGN(const Pids pids, pids_of(found.record));
  if (format == "json") {
    print(json(pids));
    return 0;
  }
  TRY_ASSIGN(const std::string text, table(pids, {arguments.positional.begin() + 1, arguments.positional.end()}));
  print(text);
  return 0;
}

}  // namespace slipway::runtime::command
