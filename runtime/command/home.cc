// Reading the container's passwd(5), which nobody vouches for.
#include "runtime/command/home.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string_view>

#include "runtime/passwd.h"
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

}  // namespace

void add_home(const std::string& root, oci::Process& process) {
  for (const std::string& entry : process.env) {
    if (entry.starts_with("HOME=")) return;
  }
  const std::string passwd = read_passwd(root);
  const std::string_view home = passwd_field(passwd, process.user.uid, PasswdField::home);
  process.env.push_back("HOME=" + std::string(home.empty() ? "/" : home));
}

}  // namespace slipway::runtime::command
