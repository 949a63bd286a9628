// Parallel layers, committed in order.
#include "image/install.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <optional>
#include <thread>

#include "base/fault.h"
#include "image/digest.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr std::size_t kMaxStrings = 10'000;
constexpr std::size_t kMaxConfigBytes = 1 << 20;

// Fetches layers on threads, each the next one that nobody has, and commits from the base upwards whatever is ready.
class Installation {
 public:
  Installation(const ImagePlan& plan, const LayerWriter& writer, BlobStore& blobs, Reporter& reporter, std::atomic<bool>& stop)
      : plan_(plan), writer_(writer), blobs_(blobs), reporter_(reporter), stop_(stop), staged_(plan.layers.size()) {
    for (const LayerSpec& layer : plan.layers) chains_.push_back(layer.chain);
  }

  Result<std::vector<LayerInfo>> run(unsigned threads) {
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < threads; ++i) workers.emplace_back([this, i] { work(i); });
    commit_all();
    for (std::thread& worker : workers) worker.join();
    if (error_) return *std::move(error_);
    return std::move(infos_);
  }

 private:
  void work(unsigned thread) {
    const fault::Operation operation("ImageWorkerLayers");
    for (;;) {
      std::size_t index = 0;
      {
        const std::lock_guard lock(mutex_);
        if (error_ || next_ == plan_.layers.size()) return;
        index = next_++;
      }
      auto staged = stage(thread, index);
      const std::lock_guard lock(mutex_);
      if (staged.ok())
        staged_[index] = std::move(staged).take();
      else
        fail_with(std::move(staged).error().within("layer {} of {}", index + 1, plan_.layers.size()));
      changed_.notify_all();
    }
  }

  Result<StagedLayer> stage(unsigned thread, std::size_t index) {
    const LayerSpec& layer = plan_.layers[index];
    const std::string& what = layer.blob.digest.empty() ? layer.diff_id : layer.blob.digest;
    std::uint64_t done = 0;
    TRY_ASSIGN(StagedLayer staged, writer_.stage(layer, [&](const Sink& sink) {
      reporter_.progress("download", what, 0, layer.blob.size);
      return blobs_.blob(thread, layer.blob, [&](std::string_view bytes) {
        done += bytes.size();
        reporter_.progress("download", what, done, layer.blob.size);
        return sink(bytes);
      });
    }));
    reporter_.progress(staged.present ? "present" : "unpack", what, staged.info.bytes, staged.info.bytes);
    return staged;
  }

  void fail_with(Error error) {  // under the lock; the first one counts, the others follow from it
    if (!error_) error_ = std::move(error);
    stop_ = true;
    changed_.notify_all();
  }

  void commit_all() {
    for (std::size_t first = 0; first < staged_.size();) {
      std::vector<StagedLayer> batch;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return error_ || staged_[first].has_value(); });
        if (error_) return;
        // Under test one by one: how many are ready is a matter of time, and steps are counted.
        for (std::size_t i = first; i < staged_.size() && staged_[i]; ++i) {
          batch.push_back(*std::move(staged_[i]));
          if (fault::armed()) break;
        }
      }
      auto r = writer_.commit(batch, chains_, first);
      if (!r.ok()) {
        const std::lock_guard lock(mutex_);
        return fail_with(std::move(r).error().within("commit"));
      }
      for (const StagedLayer& layer : batch) {
        infos_.push_back(layer.info);
        committed_ += layer.info.bytes;
      }
      first += batch.size();
      reporter_.progress("commit", plan_.id, committed_, committed_);
    }
  }

  const ImagePlan& plan_;
  const LayerWriter& writer_;
  BlobStore& blobs_;
  Reporter& reporter_;
  std::atomic<bool>& stop_;
  std::vector<std::string> chains_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::vector<std::optional<StagedLayer>> staged_;
  std::vector<LayerInfo> infos_;
  std::uint64_t committed_ = 0;  // bytes
  std::optional<Error> error_;
};

std::size_t bytes_of(const std::vector<std::string>& strings) {
  std::size_t sum = strings.size();
  for (const std::string& text : strings) sum += text.size();
  return sum;
}

Result<std::string> volume_path(const std::string& path) {
  const bool control = std::any_of(path.begin(), path.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control) return fail(Code::invalid_argument, "image configuration: a volume's path has control characters");
  TRY_ASSIGN(const std::string clean, clean_path(path).context("image configuration: volume '{}'", path.substr(0, 256)));
  return "/" + clean;
}

}  // namespace

void Reporter::write(const Line& line) {
  // Nobody listens any more: slipwayd has gone, and what is half done is the next worker's to remove.
  if (!sys::write_all(FdRef(fd_), write_line(line)).ok()) ::_exit(1);
}

void Reporter::progress(const std::string& stage, const std::string& what, std::uint64_t done, std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  const MonotonicNanos now = now_monotonic();
  MonotonicNanos& last = last_[stage + " " + what];
  if (last != 0 && done != total && now - last < 200'000'000) return;
  last = now;
  write(engine::Progress{stage, what, done, total});
}

void Reporter::finish(const Result<Outcome>& outcome) {
  const std::lock_guard lock(mutex_);
  if (outcome.ok())
    write(outcome.value());
  else
    write(outcome.error());
}

Result<std::string> BlobStore::text(const oci::Descriptor& descriptor, std::size_t limit) {
  if (descriptor.size > limit)
    return fail(Code::resource_exhausted, "{} has {} bytes, more than {}", descriptor.digest, descriptor.size, limit);
  std::string out;
  TRY(blob(0, descriptor, [&](std::string_view bytes) -> Result<void> {
    if (out.size() + bytes.size() > limit) return fail(Code::resource_exhausted, "{} is longer than {} bytes", descriptor.digest, limit);
    out += bytes;
    return {};
  }));
  return out;
}

Result<engine::ImageConfig> to_record(const oci::ContainerConfig& config) {
  engine::ImageConfig out;
  out.env = config.env;
  out.entrypoint = config.entrypoint;
  out.cmd = config.cmd;
  out.user = config.user;
  out.working_dir = config.working_dir;
  out.stop_signal = config.stop_signal;
  for (const std::string& volume : config.volumes) {
    TRY_ASSIGN(std::string path, volume_path(volume));
    if (path != "/") out.volumes.push_back(std::move(path));
  }
  const std::size_t count = out.env.size() + out.entrypoint.size() + out.cmd.size() + out.volumes.size();
  const std::size_t bytes =
      bytes_of(out.env) + bytes_of(out.entrypoint) + bytes_of(out.cmd) + bytes_of(out.volumes) + out.user.size() + out.working_dir.size();
  if (count > kMaxStrings || bytes > kMaxConfigBytes)
    return fail(Code::resource_exhausted, "image configuration: too many or too long strings");
  return out;
}

Result<ImagePlan> plan_image(const oci::Manifest& manifest, const std::string& config_text) {
  TRY_ASSIGN(const oci::ImageConfig config, oci::parse_image_config(config_text));
  if (config.platform.os != "linux" || config.platform.architecture != oci::host_architecture())
    return fail(Code::not_found, "the image is for {}/{}, this host is linux/{}", config.platform.os, config.platform.architecture,
                oci::host_architecture());
  if (config.diff_ids.size() != manifest.layers.size())
    return fail(Code::invalid_argument, "the manifest has {} layers, the configuration {}", manifest.layers.size(), config.diff_ids.size());
  ImagePlan plan;
  plan.id = digest_of(config_text);  // also where the manifest names it by sha512: ids have one form
  plan.config_size = config_text.size();
  TRY_ASSIGN(plan.config, to_record(config.config));
  const std::vector<std::string> chains = chain_ids(config.diff_ids);
  for (std::size_t i = 0; i < chains.size(); ++i) {
    TRY_ASSIGN(const oci::LayerForm form, oci::layer_form(manifest.layers[i].media_type));
    plan.layers.push_back({chains[i], config.diff_ids[i], manifest.layers[i], form});
  }
  return plan;
}

Result<PulledImage> install(const Request& request, const ImagePlan& plan, BlobStore& blobs, Reporter& reporter, std::atomic<bool>& stop) {
  TRY_ASSIGN(const UniqueFd root, make_root(request.root));
  TRY_ASSIGN(const UniqueFd layers, sys::open_at(root, kLayersDirectory, O_RDONLY | O_DIRECTORY));
  Budget budget(request.limits.unpacked_bytes);
  const LayerWriter writer(layers, budget, request.limits.entries, stop);
  PulledImage image;
  image.id = plan.id;
  image.manifest_digest = plan.manifest_digest;
  image.names = plan.names;
  image.size = plan.config_size;
  image.config = plan.config;
  for (const LayerSpec& layer : plan.layers) image.layers.push_back(layer.chain);
  if (plan.layers.empty()) return image;
  const auto threads = fault::armed() ? 1 : std::clamp<std::size_t>(request.limits.parallel_layers, 1, plan.layers.size());
  Installation installation(plan, writer, blobs, reporter, stop);
  TRY_ASSIGN(const std::vector<LayerInfo> infos, installation.run(static_cast<unsigned>(std::min<std::size_t>(threads, 8))));
  for (const LayerInfo& info : infos) image.size += info.bytes;
  return image;
}

}  // namespace slipway::image
