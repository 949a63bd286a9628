// Lays one layer's tar entries out as an overlay lower directory, whatever the tar says.
//
// Nothing outside the directory can be reached: parents are opened with openat2(RESOLVE_IN_ROOT), entries made and changed by
// descriptor without following links, ".." is refused. Whiteouts (image-spec layer.md) become overlayfs's: a character device 0:0, or
// trusted.overlay.opaque. Only the attributes security.capability and user.* (not user.overlay.*) are kept: the others would speak to
// the host. The umask must not matter and does not. One thread; the directory belongs to the caller, who alone writes there.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/layout.h"
#include "image/tar.h"

namespace slipway::image {

// What all layers of an image may take together; shared by their threads.
class Budget {
 public:
  explicit Budget(std::uint64_t bytes) : bytes_(bytes) {}
  Result<void> take(std::uint64_t bytes);

 private:
  std::uint64_t bytes_;
  std::atomic<std::uint64_t> taken_{0};
};

// "./a//b/" → "a/b"; "" for the root. ".." and more than 512 parts are refused.
Result<std::string> clean_path(std::string_view path);

// Where a link in `directory` leads, "/" and ".." meaning the root: by the text alone.
std::string follow_in_root(const std::string& directory, const std::string& target);

Result<void> mark_opaque(FdRef dir);

class Unpacker {
 public:
  Unpacker(FdRef root, Budget& budget, std::uint64_t max_entries) : root_(root), budget_(budget), max_entries_(max_entries) {}

  // Takes the entry's data out of `tar`.
  Result<void> apply(TarReader& tar, const TarEntry& entry);
  // Times of directories, which their contents would have changed.
  Result<void> finish();

  const LayerInfo& info() const { return info_; }
  // Directories that the tar used and did not describe: their attributes come from the layers below.
  std::vector<std::string> implied() const { return {implied_.begin(), implied_.end()}; }
  bool root_opaque() const { return root_opaque_; }

 private:
  struct DirectoryTime {
    std::string path;
    std::int64_t seconds;
    std::uint32_t nanos;
  };

  Result<void> make(TarReader& tar, const TarEntry& entry, const std::string& path);
  Result<void> whiteout(const std::string& directory, const std::string& name);
  Result<void> make_file(TarReader& tar, const TarEntry& entry, FdRef parent, const std::string& name);
  Result<void> make_directory(const TarEntry& entry, FdRef parent, const std::string& name, const std::string& path);
  Result<void> make_link(const TarEntry& entry, FdRef parent, const std::string& name, const std::string& path);
  Result<void> make_node(const TarEntry& entry, FdRef parent, const std::string& name);
  Result<void> describe_directory(const TarEntry& entry, FdRef dir, const std::string& path);
  Result<void> write_data(TarReader& tar, const TarEntry& entry, FdRef file);
  Result<void> charge(std::uint64_t bytes);

  Result<FdRef> parent_of(const std::string& directory);  // cached; makes what is missing
  Result<UniqueFd> open_directory(const std::string& path, int budget);
  Result<void> make_implied(FdRef parent, const std::string& name, const std::string& path);
  Result<void> clear_way(FdRef parent, const std::string& name);  // removes what an entry replaces

  FdRef root_;
  Budget& budget_;
  std::uint64_t max_entries_;
  LayerInfo info_;
  std::uint64_t since_space_check_ = 0;
  std::string cached_path_;
  UniqueFd cached_;
  bool cache_valid_ = false;
  std::vector<DirectoryTime> times_;
  std::size_t times_bytes_ = 0;
  std::unordered_set<std::string> implied_{std::string()};  // the root too, until an entry describes it
  bool root_opaque_ = false;
};

}  // namespace slipway::image
