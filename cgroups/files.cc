// Directories and event files of cgroups.
#include "cgroups/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "base/text.h"
#include "sys/file.h"

namespace slipway::cgroups {
namespace {

constexpr std::size_t kMostChildren = 100'000;

// Until `take` says false.
Result<void> each_child(FdRef dir, const std::function<bool(const char*)>& take) {
  // A descriptor of its own: the position of a directory belongs to the open file.
  TRY_ASSIGN(UniqueFd own, sys::open_at(dir, ".", O_RDONLY | O_DIRECTORY));
  DIR* stream = ::fdopendir(own.get());
  if (stream == nullptr) return fail_errno(errno, "read a cgroup's directory");
  (void)own.release();
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(stream, &::closedir);
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream);
    if (entry == nullptr) {
      // ENOENT: the cgroup went away meanwhile, and its children before it.
      if (errno != 0 && errno != ENOENT) return fail_errno(errno, "read a cgroup's directory");
      return {};
    }
    const std::string_view name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    if (!take(entry->d_name)) return {};
  }
}

}  // namespace

Result<std::string> first_child(FdRef dir) {
  std::string out;
  TRY(each_child(dir, [&](const char* name) {
    out = name;
    return false;
  }));
  return out;
}

Result<std::vector<std::string>> children(FdRef dir) {
  std::vector<std::string> out;
  TRY(each_child(dir, [&](const char* name) {
    out.emplace_back(name);
    return out.size() < kMostChildren;
  }));
  return out;
}

Result<std::string> reread(FdRef fd) {
  std::string out(4096, '\0');
  const ssize_t n = sys::retry_eintr([&] { return ::pread(fd.get(), out.data(), out.size(), 0); });
  if (n < 0) return fail_errno(errno, "read a cgroup's event file");
  out.resize(static_cast<std::size_t>(n));
  return out;
}

Result<bool> event_value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    if (line.starts_with(key) && line.size() == key.size() + 2 && line[key.size()] == ' ') return line.back() == '1';
  }
  return fail(Code::internal, "cgroup.events has no '{}'", key);
}

}  // namespace slipway::cgroups
