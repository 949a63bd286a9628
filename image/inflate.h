// Takes a layer's packing away while it streams: gzip by ISA-L, zstd, or none.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "image/stream.h"
#include "oci/image_spec.h"

namespace slipway::image {

// Pushes unpacked bytes into `out`. finish() fails where the packed stream ended early.
class Inflater {
 public:
  virtual ~Inflater() = default;
  virtual Result<void> add(std::string_view packed) = 0;
  virtual Result<void> finish() = 0;
};

// Where unpacked bytes go: straight into the buffers of a Pipe, so that nothing is copied twice.
class PipeWriter {
 public:
  explicit PipeWriter(Pipe& pipe) : pipe_(pipe) {}
  // Room of at least one byte; `used` says how much was taken.
  Result<void> room(char*& data, std::size_t& size);
  Result<void> used(std::size_t size);
  Result<void> add(std::string_view bytes);
  Result<void> flush();

 private:
  Pipe& pipe_;
  std::string buffer_;
  std::size_t filled_ = 0;
};

// Several gzip members or zstd frames in a row are one stream, as pigz and estargz write them.
std::unique_ptr<Inflater> make_inflater(oci::LayerForm form, PipeWriter& out);

// By the first bytes: gzip's or zstd's magic number, else tar.
oci::LayerForm sniff_form(std::string_view first);

}  // namespace slipway::image
