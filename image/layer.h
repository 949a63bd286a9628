// One layer on its way into the store: fetched, verified, unpacked beside the others, then committed so that a power loss cannot halve it.
//
// A layer becomes valid by its marker, which is written after everything else is on the disk (syncfs) and the directory has its name.
// Compressed bytes are never stored: they stream through the inflater into files, both digests are computed on the way, and an
// interrupted transfer goes on where it stopped. What a crash leaves is a directory without a marker, unpacked anew the next time.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/layout.h"
#include "image/stream.h"
#include "image/unpack.h"
#include "oci/image_spec.h"

namespace slipway::image {

struct LayerSpec {
  std::string chain;     // its directory
  std::string diff_id;   // of the uncompressed tar
  oci::Descriptor blob;  // digest is empty where an archive names none
  oci::LayerForm form = oci::LayerForm::tar;
  std::string file;  // of an artifact: the blob is this file, not a tar; diff_id is the blob's digest
};

// Pushes the blob's bytes in order and verifies its digest by the end.
using BlobSource = std::function<Result<void>(const Sink&)>;

// A layer that is unpacked and not yet valid. Destroying it without a commit removes it. Holds the layer's lock.
class StagedLayer {
 public:
  StagedLayer() = default;
  StagedLayer(StagedLayer&& other) noexcept { *this = std::move(other); }
  StagedLayer& operator=(StagedLayer&& other) noexcept;
  ~StagedLayer();

  bool present = false;  // it was valid already
  LayerInfo info;
  std::vector<std::string> implied;
  bool root_opaque = false;

 private:
  friend class LayerWriter;
  int layers_ = -1;  // borrowed
  std::string chain_, temporary_;
  UniqueFd lock_, fs_;
};

class LayerWriter {
 public:
  // `layers` is ROOT/layers; both outlive this.
  LayerWriter(FdRef layers, Budget& budget, std::uint64_t max_entries, const std::atomic<bool>& stop)
      : layers_(layers), budget_(budget), max_entries_(max_entries), stop_(stop) {}

  // Any thread, one layer each. Waits while another slipway-image unpacks the same layer.
  Result<StagedLayer> stage(const LayerSpec& spec, const BlobSource& source) const;

  // Makes layers valid, base first; those below them are valid already. `chains` are the image's, `first` the index of layers[0].
  Result<void> commit(std::vector<StagedLayer>& layers, const std::vector<std::string>& chains, std::size_t first) const;

 private:
  Result<UniqueFd> lock(const std::string& chain) const;
  Result<void> unpack(const LayerSpec& spec, const BlobSource& source, StagedLayer& staged) const;
  Result<void> settle(std::vector<StagedLayer>& batch, std::size_t index, const std::vector<std::string>& chains, std::size_t first) const;

  FdRef layers_;
  Budget& budget_;
  std::uint64_t max_entries_;
  const std::atomic<bool>& stop_;
};

}  // namespace slipway::image
