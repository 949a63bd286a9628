// The read-only clone of our own binary, or a sealed copy of it in memory.
#include "runtime/command/sealed_self.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <vector>

#include "base/weaken.h"
#include "runtime/rootless.h"
#include "sys/file.h"
#include "sys/mount.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace slipway::runtime::command {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Result<bool> is_sealed_memory() {
  TRY_ASSIGN(const UniqueFd self, sys::open_path(kSelf, O_RDONLY));
  const int seals = ::fcntl(self.get(), F_GET_SEALS);  // EINVAL for what is no file in memory
  return seals >= 0 && (seals & kSeals) == kSeals;
}

Result<UniqueFd> readonly_clone(const std::string& path) {
  TRY_ASSIGN(sys::DetachedMount self, sys::clone_tree(path, false));
  sys::MountAttributes readonly;
  readonly.set = MOUNT_ATTR_RDONLY;
  TRY(sys::set_attributes(self.fd(), readonly));
  return self.release();
}

// In a new mount namespace the link leads to the old one's mount, which cannot be cloned there; its name leads to the copy of that.
Result<UniqueFd> clone_by_name() {
  char name[PATH_MAX];
  const ssize_t length = ::readlink(kSelf, name, sizeof name - 1);
  if (length <= 0) return fail_errno(errno, "read /proc/self/exe");
  TRY_ASSIGN(UniqueFd clone, readonly_clone(std::string(name, static_cast<std::size_t>(length))));
  struct stat self = {};
  struct stat found = {};
  if (::stat(kSelf, &self) != 0 || ::fstat(clone.get(), &found) != 0) return fail_errno(errno, "stat our own binary");
  if (self.st_dev != found.st_dev || self.st_ino != found.st_ino) return fail(Code::aborted, "our own binary was replaced");
  return clone;
}

Result<UniqueFd> sealed_copy() {
  TRY_ASSIGN(const UniqueFd self, sys::open_path(kSelf, O_RDONLY));
  struct stat st = {};
  if (::fstat(self.get(), &st) != 0) return fail_errno(errno, "stat our own binary");
  UniqueFd copy(::memfd_create("slipway", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  // REMOVE-WHEN: kernel >= 6.3, which knows MFD_EXEC
  if (!copy && errno == EINVAL) copy.reset(::memfd_create("slipway", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy) return fail_errno(errno, "make a memory file for our own binary");
  for (off_t left = st.st_size; left > 0;) {
    const ssize_t n = sys::retry_eintr([&] { return ::sendfile(copy.get(), self.get(), nullptr, static_cast<std::size_t>(left)); });
    if (n <= 0) return fail_errno(n < 0 ? errno : EIO, "copy our own binary into memory");
    left -= n;
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return fail_errno(errno, "seal the copy of our own binary");
  return copy;
}

Result<void> execute(FdRef program, std::span<const std::string> words) {
  std::vector<char*> argv = {const_cast<char*>("slipway")};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  (void)::execveat(program.get(), "", argv.data(), environ, AT_EMPTY_PATH);
  return fail_errno(errno, "execute our own binary again");
}

}  // namespace

Result<void> seal_self(std::span<const std::string> words, char* const* argv, Seal& seal) {
  if (weakened(Defence::sealed_program)) return {};
  struct statvfs fs = {};
  if (::statvfs(kSelf, &fs) != 0) return fail_errno(errno, "statvfs /proc/self/exe");
  if ((fs.f_flag & ST_RDONLY) != 0) return {};
  auto clone = readonly_clone(kSelf);
  if (clone.ok() && !is_ordinary_user() && can_seal_init()) {
    TRY_ASSIGN(seal.file, sys::open_path(fmt::format("/proc/self/fd/{}", clone.value().get()), O_RDONLY));
    seal.mount = std::move(clone).take();
    seal.argv = argv;
    return {};
  }
  if (clone.ok()) return execute(clone.value(), words);
  // Who may not clone mounts (a runner in somebody else's mount namespace) runs from memory.
  TRY_ASSIGN(const bool sealed, is_sealed_memory());
  if (sealed) return {};
  TRY_ASSIGN(const UniqueFd copy, sealed_copy());
  return execute(copy, words);
}

Result<void> execute_sealed(std::span<const std::string> words) {
  auto clone = clone_by_name();
  if (clone.ok()) return execute(clone.value(), words);
  TRY_ASSIGN(const UniqueFd copy, sealed_copy());
  return execute(copy, words);
}

}  // namespace slipway::runtime::command
