// The layers that are on the disk, as slipwayd sees them: which are valid, how big, and how they go.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/layout.h"

namespace slipway::image {

// Guarded by the store's mutex, but for sweep().
class LayerDisk {
 public:
  // Reads the markers and removes what has none. `layers` is ROOT/layers.
  static Result<LayerDisk> open(UniqueFd layers);

  FdRef directory() const { return dir_; }
  bool has(const std::string& chain) const { return layers_.count(chain) != 0; }
  // Of the root directory of a layer that is here.
  const Owner& owner(const std::string& chain) const { return layers_.at(chain).root; }
  // A worker has made these: their markers are read. data_loss where one is missing.
  Result<void> learn(const std::vector<std::string>& chains);
  // Takes the names of all layers away that are not kept and (but for those in `now`) older than an hour: a failed pull's layers
  // wait for its repetition. The leftovers, for sweep().
  std::vector<std::string> detach(const std::set<std::string>& kept, const std::set<std::string>& now);
  // All are tried; the first error.
  Result<void> sweep(const std::vector<std::string>& leftovers) const;

  // After a worker that failed, while none runs: finds layers it did make, and names what it left half done, for sweep().
  std::vector<std::string> rescan();

  LayerInfo total() const;

 private:
  struct Layer {
    LayerInfo info;
    std::int64_t made = 0;  // seconds since 1970
    Owner root;
  };
  explicit LayerDisk(UniqueFd dir) : dir_(std::move(dir)) {}
  Result<void> read(const std::string& chain);
  std::string detach_name(const std::string& chain) const;

  UniqueFd dir_;
  std::map<std::string, Layer> layers_;
};

}  // namespace slipway::image
