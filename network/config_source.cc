// Finds the configuration file that counts.
#include "network/config_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "sys/file.h"

namespace slipway::network {
namespace {

constexpr std::size_t kMaxFiles = 4096;  // names in the directory

bool is_candidate(std::string_view name) {
  return name.ends_with(".conf") || name.ends_with(".conflist") || name.ends_with(".json");
}

Result<std::string> first_file(const std::string& directory) {
  Result<UniqueFd> dir = sys::open_path(directory, O_RDONLY | O_DIRECTORY);
  if (!dir.ok() && dir.error().code == Code::not_found) return fail(Code::not_found, "no directory {}", directory);
  if (!dir.ok()) return std::move(dir).error();
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(dir.value(), kMaxFiles));
  std::string first;
  for (const std::string& name : names)
    if (is_candidate(name) && (first.empty() || name < first)) first = name;
  if (first.empty()) return fail(Code::not_found, "no network configuration in {}", directory);
  return directory + "/" + first;
}

// What tells one content of the file from another without reading it. ctime: no program can set it back.
Result<std::string> fingerprint(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return fail_errno(errno, "stat {}", path);
  return fmt::format("{} {} {} {}.{} {}.{}", path, st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ctim.tv_sec,
                     st.st_ctim.tv_nsec);
}

}  // namespace

Result<NetworkConfig> ConfigSource::load(const std::string& file) const {
  TRY_ASSIGN(const std::string text, sys::read_file(file, kMaxJsonSize));
  return parse_config(file, text);
}

Result<std::shared_ptr<const NetworkConfig>> ConfigSource::current() {
  const std::lock_guard lock(mutex_);
  TRY_ASSIGN(const std::string file, first_file(directory_));
  TRY_ASSIGN(const std::string print, fingerprint(file));
  if (print == seen_) return loaded_;
  Result<NetworkConfig> config = load(file);
  if (config.ok())
    loaded_ = std::shared_ptr<const NetworkConfig>(std::make_shared<NetworkConfig>(std::move(config).take()));
  else
    loaded_ = std::move(config).error();
  seen_ = print;
  return loaded_;
}

}  // namespace slipway::network
