// The read-only clone of our own binary.
#include "runtime/command/sealed_self.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <vector>

#include "base/weaken.h"
#include "sys/mount.h"

namespace slipway::runtime::command {

Result<void> seal_self(std::span<const std::string> words) {
  if (weakened(Defence::sealed_program)) return {};
  struct statvfs fs = {};
  if (::statvfs("/proc/self/exe", &fs) != 0) return fail_errno(errno, "statvfs /proc/self/exe");
  if ((fs.f_flag & ST_RDONLY) != 0) return {};
  TRY_ASSIGN(const sys::DetachedMount self, sys::clone_tree("/proc/self/exe", false));
  sys::MountAttributes readonly;
  readonly.set = MOUNT_ATTR_RDONLY;
  TRY(sys::set_attributes(self.fd(), readonly));
  std::vector<char*> argv = {const_cast<char*>("slipway")};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  (void)::execveat(self.get(), "", argv.data(), environ, AT_EMPTY_PATH);
  return fail_errno(errno, "execute our own binary from a read-only mount");
}

}  // namespace slipway::runtime::command
