// Reading the container's passwd(5), which nobody vouches for.
#include "runtime/command/home.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <string_view>

#include "runtime/passwd.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr std::size_t kMostPasswd = 1 << 20;

std::string read_passwd(const std::string& root) {
  const auto dir = sys::open_path(root, O_PATH | O_DIRECTORY);
  if (!dir.ok()) return {};
  const auto file = sys::open_regular_in_root(dir.value(), "etc/passwd");
  struct stat st = {};
  // What has no size is no file of a disk: /proc/kmsg gives each line of the host's log to one reader alone.
  if (!file.ok() || ::fstat(file.value().get(), &st) != 0 || st.st_size == 0) return {};
  auto text = sys::read_fd(file.value(), kMostPasswd);
  return text.ok() ? std::move(text).take() : std::string();
}

// What execve(2) can take and a shell can print.
bool is_home(std::string_view text) {
  const bool plain = std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return text.starts_with('/') && text.size() < PATH_MAX && plain;
}

}  // namespace

void add_home(const std::string& root, oci::Process& process) {
  for (const std::string& entry : process.env) {
    if (entry.starts_with("HOME=")) return;
  }
  const std::string passwd = read_passwd(root);
  const std::string_view home = passwd_field(passwd, process.user.uid, PasswdField::home);
  process.env.push_back("HOME=" + std::string(is_home(home) ? home : "/"));
}

}  // namespace slipway::runtime::command
