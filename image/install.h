// An image's layers into the store, several at a time, and what the caller is told about it.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "image/layer.h"
#include "image/worker_protocol.h"
#include "oci/image_spec.h"

namespace slipway::image {

// Writes the protocol's lines. Any thread.
class Reporter {
 public:
  explicit Reporter(int fd) : fd_(fd) {}
  // At most five lines a second for each `what`; a first and a last one always.
  void progress(const std::string& stage, const std::string& what, std::uint64_t done, std::uint64_t total);
  void finish(const Result<Outcome>& outcome);

 private:
  void write(const Line& line);
  int fd_;
  std::mutex mutex_;
  std::map<std::string, MonotonicNanos> last_;
};

// Where blobs come from: a registry or an archive. `thread` numbers the callers from 0.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual Result<void> blob(unsigned thread, const oci::Descriptor& descriptor, const Sink& sink) = 0;
  Result<std::string> text(const oci::Descriptor& descriptor, std::size_t limit);
};

struct ImagePlan {
  std::string id;
  std::string manifest_digest;
  std::vector<std::string> names;
  std::vector<LayerSpec> layers;
  std::uint64_t config_size = 0;
  engine::ImageConfig config;
};

// What the manifest and the configuration of an image say, checked against each other.
Result<ImagePlan> plan_image(const oci::Manifest& manifest, const std::string& config_text);
// From image-spec's configuration to the record's; names of volumes are checked (CVE-2022-23648).
Result<engine::ImageConfig> to_record(const oci::ContainerConfig& config);

Result<PulledImage> install(const Request& request, const ImagePlan& plan, BlobStore& blobs, Reporter& reporter, std::atomic<bool>& stop);

}  // namespace slipway::image
