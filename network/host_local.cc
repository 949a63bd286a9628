// host-local's files: DATADIR/NETWORK/{lock,ADDRESS,last_reserved_ip.N}.
#include "network/host_local.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "network/wait_lock.h"
#include "sys/file.h"

namespace slipway::network {
namespace {

constexpr std::size_t kMaxAddresses = 1'000'000;
constexpr int kLockTries = 100;  // the plugin holds it for a few milliseconds

bool is_address(const std::string& name) {
  in6_addr ignored;
  return ::inet_pton(AF_INET, name.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

Result<UniqueFd> lock(FdRef directory) {
  TRY_ASSIGN(UniqueFd file, sys::open_at(directory, "lock", O_RDONLY | O_CREAT | O_NOFOLLOW, 0644));
  TRY_ASSIGN(const bool locked, wait_lock(file, kLockTries).context("lock host-local's addresses"));
  if (locked) return file;
  return fail(Code::unavailable, "host-local's addresses are locked");
}

Result<unsigned> free_in(const std::string& path) {
  auto directory = sys::open_path(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory.ok() && directory.error().code == Code::not_found) return 0U;  // no address was ever given
  if (!directory.ok()) return std::move(directory).error();
  TRY_ASSIGN(const UniqueFd held, lock(directory.value()));
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(directory.value(), kMaxAddresses));
  unsigned freed = 0;
  for (const std::string& name : names) {
    struct stat info {};
    if (!is_address(name) || ::fstatat(directory.value().get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(info.st_mode) || info.st_size != 0) continue;
    if (::unlinkat(directory.value().get(), name.c_str(), 0) != 0) return fail_errno(errno, "remove '{}/{}'", path, name);
    ++freed;
  }
  return freed;
}

}  // namespace

Result<unsigned> free_ownerless_addresses(const NetworkConfig& network) {
  unsigned freed = 0;
  for (const PluginConfig& plugin : network.plugins) {
    const auto ipam = plugin.config.find("ipam");
    if (ipam == plugin.config.end() || !ipam->is_object() || string_member(*ipam, "type") != "host-local") continue;
    std::string directory = string_member(*ipam, "dataDir");
    if (directory.empty()) directory = "/var/lib/cni/networks";
    TRY_ASSIGN(const unsigned here, free_in(directory + "/" + network.name).context("addresses of network '{}'", network.name));
    freed += here;
  }
  return freed;
}

}  // namespace slipway::network
