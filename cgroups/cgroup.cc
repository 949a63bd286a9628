// Opening, making and limiting cgroups.
#include "cgroups/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <set>

#include "base/text.h"
#include "cgroups/files.h"
#include "sys/file.h"

namespace slipway::cgroups {
namespace {

constexpr mode_t kMode = 0755;

// Those whose limits slipway can set.
constexpr std::array<std::string_view, 6> kControllers = {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"};

Result<std::vector<std::string>> components(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const std::string_view one = cut(path, '/');
    if (one.empty()) continue;
    if (one == "." || one == "..") return fail(Code::invalid_argument, "a '{}' in a cgroup's path", one);
    out.emplace_back(one);
  }
  return out;
}

std::string join(std::string_view root, const std::vector<std::string>& parts) {
  std::string out(root);
  for (const std::string& part : parts) out += "/" + part;
  return out;
}

// Names in a file like cgroup.controllers, of those that concern us.
Result<std::set<std::string, std::less<>>> read_names(FdRef dir, const char* file) {
  TRY_ASSIGN(const std::string text, sys::read_line_file_at(dir, file));
  std::set<std::string, std::less<>> out;
  for (const std::string_view known : kControllers) {
    const std::size_t at = text.find(known);
    for (std::size_t i = at; i != std::string::npos; i = text.find(known, i + 1)) {
      const bool starts = i == 0 || text[i - 1] == ' ';
      const std::size_t end = i + known.size();
      if (starts && (end == text.size() || text[end] == ' ' || text[end] == '\n')) out.emplace(known);
    }
  }
  return out;
}

// Hands down what exists here. A refusal (a busy cgroup, a threaded one, one that is not ours) is no error yet: a limit that needs the
// controller fails later and names it.
void enable(FdRef dir, const std::set<std::string, std::less<>>& wanted) {
  const auto enabled = read_names(dir, "cgroup.subtree_control");
  if (!enabled.ok()) return;
  std::string all;
  for (const std::string& name : wanted)
    if (!enabled.value().contains(name)) all += (all.empty() ? "+" : " +") + name;
  if (all.empty() || sys::write_file_at(dir, "cgroup.subtree_control", all).ok()) return;
  // One that cannot be had refuses them all.
  for (const std::string& name : wanted)
    if (!enabled.value().contains(name)) (void)sys::write_file_at(dir, "cgroup.subtree_control", "+" + name);
}

struct Made {
  UniqueFd dir;
  bool was_there = false;
};

Result<Made> make_one(FdRef parent, const std::string& name) {
  const bool made = ::mkdirat(parent.get(), name.c_str(), kMode) == 0;
  if (!made && errno != EEXIST) return fail_errno(errno, "make the directory '{}'", name);
  TRY_ASSIGN(UniqueFd dir, sys::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return Made{std::move(dir), !made};
}

// The parent of the last component, made and with every controller of the root handed down to its children. `opened`: what must outlive
// the answer, unless that is the root.
Result<FdRef> prepare_parent(const Root& root, const std::vector<std::string>& parts, UniqueFd& opened) {
  TRY_ASSIGN(const auto wanted, read_names(root.dir, "cgroup.controllers"));
  if (parts.size() == 1) {
    enable(root.dir, wanted);
    return FdRef(root.dir);
  }
  std::string parent = ".";
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) parent += "/" + parts[i];
  auto ready = sys::open_beneath(root.dir, parent, O_RDONLY | O_DIRECTORY);
  if (ready.ok()) {
    // The usual case: others of the same parent came before, and what it hands down its parents do too.
    const auto enabled = read_names(ready.value(), "cgroup.subtree_control");
    if (enabled.ok() && std::includes(enabled.value().begin(), enabled.value().end(), wanted.begin(), wanted.end())) {
      opened = std::move(ready).take();
      return FdRef(opened);
    }
  }
  TRY_ASSIGN(UniqueFd dir, sys::open_beneath(root.dir, ".", O_RDONLY | O_DIRECTORY));
  enable(dir, wanted);
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    TRY_ASSIGN(Made made, make_one(dir, parts[i]));
    dir = std::move(made.dir);
    enable(dir, wanted);
  }
  opened = std::move(dir);
  return FdRef(opened);
}

std::string_view controller_of(std::string_view file) {
  return file.substr(0, file.find('.'));
}

}  // namespace

Result<Cgroup> Cgroup::open(const std::string& path) {
  TRY_ASSIGN(UniqueFd dir, sys::open_path(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return Cgroup(path, std::move(dir), true);
}

Result<std::string> relative_path(std::string_view path) {
  TRY_ASSIGN(const std::vector<std::string> parts, components(path));
  return join(".", parts);
}

Result<Cgroup> Cgroup::open(const Root& root, std::string_view path) {
  TRY_ASSIGN(const std::vector<std::string> parts, components(path));
  TRY_ASSIGN(UniqueFd dir, sys::open_beneath(root.dir, join(".", parts), O_RDONLY | O_DIRECTORY));
  return Cgroup(join(root.path, parts), std::move(dir), true);
}

Result<Cgroup> Cgroup::create(const Root& root, std::string_view path) {
  TRY_ASSIGN(const std::vector<std::string> parts, components(path));
  if (parts.empty()) return fail(Code::invalid_argument, "the root cgroup cannot be a container's");
  const std::string full = join(root.path, parts);
  UniqueFd opened;
  auto parent = prepare_parent(root, parts, opened);
  if (!parent.ok()) return std::move(parent).error().within("make the cgroup {}", full);
  auto made = make_one(parent.value(), parts.back());
  if (!made.ok()) return std::move(made).error().within("make the cgroup {}", full);
  Made last = std::move(made).take();
  return Cgroup(full, std::move(last.dir), last.was_there);
}

Result<Cgroup> Cgroup::make_part(const std::string& name) const {
  TRY_ASSIGN(Made made, make_one(dir_, name));
  return Cgroup(path_ + "/" + name, std::move(made.dir), made.was_there);
}

Result<Cgroup> Cgroup::open_part(const std::string& name) const {
  TRY_ASSIGN(UniqueFd dir, sys::open_at(dir_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return Cgroup(path_ + "/" + name, std::move(dir), true);
}

Result<Cgroup> Cgroup::open_enabled(const Root& root, std::string_view path) {
  TRY_ASSIGN(Cgroup cgroup, open(root, path));
  TRY_ASSIGN(const std::vector<std::string> parts, components(path));
  UniqueFd opened;
  TRY(prepare_parent(root, parts, opened).context("hand controllers down to {}", cgroup.path_));
  return cgroup;
}

// The file's own first word before the rest of the value.
Result<std::string> Cgroup::with_first_word(const Write& write) const {
  const auto text = sys::read_file_at(dir_, write.file, kSmallFile);
  if (!text.ok() && text.error().sys_errno == ENOENT) return write.value;  // told by the write
  if (!text.ok()) return text.error();
  return text.value().substr(0, text.value().find_first_of(" \n")) + write.value.substr(write.value.find(' '));
}

Result<void> Cgroup::write(const Write& write) const {
  if (!write.preferred_file.empty()) {
    const auto preferred = sys::write_file_at(dir_, write.preferred_file, write.preferred_value);
    if (preferred.ok() || preferred.error().sys_errno != ENOENT) return Result<void>(preferred).context("{}: {}", write.field, path_);
  }
  std::string value = write.value;
  if (write.keep_first_word) {
    TRY_ASSIGN(value, with_first_word(write));
  }
  auto written = sys::write_file_at(dir_, write.file, value);
  if (written.ok()) return {};
  if (written.error().sys_errno != ENOENT)
    return fail_errno(written.error().sys_errno, "{}: write '{}' to {}/{}", write.field, value, path_, write.file);
  if (write.missing == Missing::ignore) return {};
  return fail(Code::failed_precondition, "{}: write '{}': the {} controller is not available: there is no {}/{}", write.field, value,
              controller_of(write.file), path_, write.file);
}

Result<void> Cgroup::apply(const oci::Resources& resources) const {
  TRY_ASSIGN(const std::vector<Write> writes, plan_writes(resources));
  const auto& memory = resources.memory;
  if (memory && memory->check_before_update.value_or(false) && memory->limit.value_or(0) > 0) {
    // Written below what is in use, the kernel would reclaim and then kill.
    const auto text = sys::read_file_at(dir_, "memory.current", kSmallFile);
    if (!text.ok() && text.error().sys_errno != ENOENT) return text.error();
    TRY_ASSIGN(const std::uint64_t current, parse_number_or_max(text.ok() ? text.value() : "0"));  // no controller: the write tells
    if (static_cast<std::uint64_t>(*memory->limit) < current)
      return fail(Code::failed_precondition, "linux.resources.memory.limit: {} is below the {} bytes in use", *memory->limit, current);
  }
  for (const Write& one : writes) TRY(write(one));
  return {};
}

Result<void> Cgroup::add(pid_t pid) const {
  return sys::write_file_at(dir_, "cgroup.procs", fmt::format("{}", pid)).context("move process {} into {}", pid, path_);
}

Result<std::vector<std::string>> available_controllers(const Root& root) {
  TRY_ASSIGN(const std::string text, sys::read_line_file_at(root.dir, "cgroup.controllers"));
  std::vector<std::string> out;
  std::string word;
  for (const char c : text + ' ') {
    if (c != ' ' && c != '\n') {
      word += c;
    } else if (!word.empty()) {
      out.push_back(std::exchange(word, {}));
    }
  }
  return out;
}

}  // namespace slipway::cgroups
