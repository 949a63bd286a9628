// Namespaces as descriptors.
#include "sys/namespace.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sys/file.h"

namespace slipway::sys {

Result<UniqueFd> open_namespace(const std::string& path, int type) {
  TRY_ASSIGN(UniqueFd fd, open_path(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct statfs fs = {};
  if (::fstatfs(fd.get(), &fs) != 0) return fail_errno(errno, "statfs '{}'", path);
  if (fs.f_type != NSFS_MAGIC) return fail(Code::invalid_argument, "'{}' is not a namespace", path);
  TRY_ASSIGN(const int found, namespace_type(fd));
  if (found != type) return fail(Code::invalid_argument, "'{}' is a namespace of another type (0x{:x}, not 0x{:x})", path, found, type);
  return fd;
}

Result<int> namespace_type(FdRef ns) {
  const int type = ::ioctl(ns.get(), NS_GET_NSTYPE);
  if (type < 0) return fail_errno(errno, "ask for the type of a namespace");
  return type;
}

Result<void> join_namespace(FdRef ns, int type) {
  if (::setns(ns.get(), type) != 0) return fail_errno(errno, "join a namespace of type 0x{:x}", type);
  return {};
}

Result<unsigned long> namespace_id(FdRef ns) {
  struct stat st = {};
  if (::fstat(ns.get(), &st) != 0) return fail_errno(errno, "stat a namespace");
  return static_cast<unsigned long>(st.st_ino);
}

}  // namespace slipway::sys
