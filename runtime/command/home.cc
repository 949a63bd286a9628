// One user's line of a passwd(5) that nobody vouches for.
#include "runtime/command/home.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string_view>

#include "base/format.h"
#include "base/text.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr std::size_t kMostPasswd = 1 << 20;

std::string read_passwd(const std::string& root) {
  const auto dir = sys::open_path(root, O_PATH | O_DIRECTORY);
  if (!dir.ok()) return {};
  // O_NONBLOCK: it may be a FIFO.
  const auto file = sys::open_in_root(dir.value(), "etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat st = {};
  if (!file.ok() || ::fstat(file.value().get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  auto text = sys::read_fd(file.value(), kMostPasswd);
  return text.ok() ? std::move(text).take() : std::string();
}

// name:password:UID:GID:comment:HOME:shell
std::string_view field(std::string_view line, int wanted) {
  for (; wanted > 0; --wanted) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    line.remove_prefix(colon + 1);
  }
  return line.substr(0, line.find(':'));
}

std::string home_of(std::string_view passwd, std::uint32_t uid) {
  const std::string number = fmt::format("{}", uid);
  while (!passwd.empty()) {
    const std::string_view line = cut(passwd, '\n');
    if (field(line, 2) == number && !field(line, 5).empty()) return std::string(field(line, 5));
  }
  return "/";
}

}  // namespace

void add_home(const std::string& root, oci::Process& process) {
  for (const std::string& entry : process.env) {
    if (entry.starts_with("HOME=")) return;
  }
  process.env.push_back("HOME=" + home_of(read_passwd(root), process.user.uid));
}

}  // namespace slipway::runtime::command
