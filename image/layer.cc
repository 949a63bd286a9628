// Staging and committing layers.
#include "image/layer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/fault.h"
#include "base/ids.h"
#include "image/artifact.h"
#include "image/digest.h"
#include "image/inflate.h"
#include "image/layer_files.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

class HashingReader : public Reader {
 public:
  HashingReader(Reader& in, Hasher& hasher) : in_(in), hasher_(hasher) {}
  Result<std::string_view> next() override {
    TRY_ASSIGN(const std::string_view bytes, in_.next());
    hasher_.add(bytes);
    return bytes;
  }

 private:
  Reader& in_;
  Hasher& hasher_;
};

std::string lock_name(const std::string& chain) {
  return chain + std::string(kLock);
}
std::string temporary_name(const std::string& chain) {
  return chain + std::string(kTemporary) + make_id().substr(0, 16);
}

// Attributes that the image shows for a directory the layer used without describing it.
Result<void> copy_attributes(FdRef from, FdRef to) {
  struct stat st {};
  if (::fstat(from.get(), &st) != 0) return fail_errno(errno, "stat");
  if (::fchown(to.get(), st.st_uid, st.st_gid) != 0) return fail_errno(errno, "set the owner");
  if (::fchmod(to.get(), st.st_mode & 07777) != 0) return fail_errno(errno, "set the mode");
  const timespec times[2] = {st.st_mtim, st.st_mtim};
  if (::futimens(to.get(), times) != 0) return fail_errno(errno, "set the time");
  return {};
}

// What a killed worker left of this layer; its lock is ours.
Result<void> remove_remains(FdRef layers, const std::string& chain) {
  TRY(sys::remove_tree(layers, chain));
  TRY_ASSIGN(const UniqueFd listing, sys::open_at(layers, ".", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(listing));
  for (const std::string& name : names)
    if (name.starts_with(chain + std::string(kTemporary))) TRY(sys::remove_tree(layers, name));
  return {};
}

Result<void> sync_directory(FdRef parent, const std::string& name) {
  TRY_ASSIGN(const UniqueFd dir, sys::open_at(parent, name, O_RDONLY | O_DIRECTORY));
  if (::fsync(dir.get()) != 0) return fail_errno(errno, "sync {}", name);
  return {};
}

Result<void> write_marker(FdRef layers, const std::string& chain, const LayerInfo& info) {
  TRY(fault::point("mark a layer"));
  TRY_ASSIGN(const UniqueFd file, sys::open_at(layers, chain + "/" + kMarker, O_WRONLY | O_CREAT | O_EXCL, 0600));
  TRY(sys::write_all(file, marker_text(info)));
  fault::moment("a layer's marker is written, not yet synced");
  if (::fsync(file.get()) != 0) return fail_errno(errno, "sync the marker");
  return sync_directory(layers, chain);
}

}  // namespace

StagedLayer& StagedLayer::operator=(StagedLayer&& other) noexcept {
  std::swap(present, other.present);
  std::swap(info, other.info);
  std::swap(implied, other.implied);
  std::swap(root_opaque, other.root_opaque);
  std::swap(layers_, other.layers_);
  std::swap(chain_, other.chain_);
  std::swap(temporary_, other.temporary_);
  std::swap(lock_, other.lock_);
  std::swap(fs_, other.fs_);
  return *this;
}

StagedLayer::~StagedLayer() {
  if (!temporary_.empty()) (void)sys::remove_tree(FdRef(layers_), temporary_);
  // Still locked: whoever waits for it sees that its name is gone and makes a new one.
  if (lock_) (void)::unlinkat(layers_, lock_name(chain_).c_str(), 0);
}

Result<UniqueFd> LayerWriter::lock(const std::string& chain) const {
  const std::string name = lock_name(chain);
  for (;;) {
    if (stop_.load()) return fail(Code::cancelled, "stopped");
    TRY_ASSIGN(UniqueFd file, sys::open_at(layers_, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, "lock {}", name);
      (void)::poll(nullptr, 0, 20);  // not a blocking flock: `stop` must be seen
      continue;
    }
    struct stat ours {
    }, named{};
    if (::fstat(file.get(), &ours) == 0 && ::fstatat(layers_.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        ours.st_ino == named.st_ino)
      return file;
  }
}

Result<StagedLayer> LayerWriter::stage(const LayerSpec& spec, const BlobSource& source) const {
  StagedLayer staged;
  if (auto info = read_marker(layers_, spec.chain); info.ok()) {
    staged.present = true;
    staged.info = info.value();
    return staged;
  }
  TRY(fault::point("lock a layer"));
  TRY_ASSIGN(staged.lock_, lock(spec.chain));
  fault::moment("a layer is locked");
  staged.layers_ = layers_.get();
  staged.chain_ = spec.chain;
  if (auto info = read_marker(layers_, spec.chain); info.ok()) {  // another worker made it while we waited
    staged.present = true;
    staged.info = info.value();
    return staged;
  }
  TRY(remove_remains(layers_, spec.chain));
  const std::string temporary = temporary_name(spec.chain);
  if (::mkdirat(layers_.get(), temporary.c_str(), 0700) != 0) return fail_errno(errno, "make {}", temporary);
  staged.temporary_ = temporary;
  TRY(fault::point("make a layer's directory"));
  TRY_ASSIGN(const UniqueFd dir, sys::open_at(layers_, temporary, O_RDONLY | O_DIRECTORY));
  if (::mkdirat(dir.get(), kLayerFs, 0755) != 0) return fail_errno(errno, "make {}/fs", temporary);
  TRY_ASSIGN(staged.fs_, sys::open_at(dir, kLayerFs, O_RDONLY | O_DIRECTORY));
  if (::fchmod(staged.fs_.get(), 0755) != 0) return fail_errno(errno, "set the mode of {}/fs", temporary);
  TRY(unpack(spec, source, staged));
  return staged;
}

// Two threads: one fetches, verifies and inflates, this one hashes what comes out of it and makes files.
Result<void> LayerWriter::unpack(const LayerSpec& spec, const BlobSource& source, StagedLayer& staged) const {
  Pipe pipe;
  std::thread fetcher([&] {
    PipeWriter writer(pipe);
    const auto inflater = spec.file.empty() ? make_inflater(spec.form, writer) : make_file_wrapper(spec.file, spec.blob.size, writer);
    auto r = source([&](std::string_view bytes) { return inflater->add(bytes); });
    if (r.ok()) r = inflater->finish();
    pipe.finish(std::move(r));
  });
  const auto make_files = [&]() -> Result<void> {
    Hasher hasher(spec.diff_id);
    HashingReader reader(pipe, hasher);
    TarReader tar(reader);
    Unpacker unpacker(staged.fs_, budget_, max_entries_);
    TarEntry entry;
    bool begun = false;
    for (;;) {
      TRY_ASSIGN(const bool more, tar.next(entry));
      if (!more) break;
      TRY(unpacker.apply(tar, entry));
      if (!std::exchange(begun, true)) TRY(fault::point("unpack a layer's second entry"));
    }
    TRY(tar.drain());
    TRY(fault::point("check a layer's digest"));
    // A file's own digest was verified where it came from.
    if (const std::string actual = hasher.finish(); spec.file.empty() && actual != spec.diff_id)
      return fail(Code::data_loss, "its content's digest is {}, not {}", actual, spec.diff_id);
    TRY(unpacker.finish());
    staged.info = unpacker.info();
    staged.implied = unpacker.implied();
    staged.root_opaque = unpacker.root_opaque();
    return {};
  };
  auto r = make_files();
  pipe.leave();
  fetcher.join();
  return r;
}

// What a layer takes from those below it: attributes of directories it did not describe, and names its opaque root hides.
Result<void> LayerWriter::settle(std::vector<StagedLayer>& batch, std::size_t index, const std::vector<std::string>& chains,
                                 std::size_t first) const {
  TRY(fault::point("settle a layer"));
  StagedLayer& layer = batch[index];
  if (layer.present || (layer.implied.empty() && !layer.root_opaque)) return {};
  std::vector<UniqueFd> below;  // topmost first; those of this batch have no name yet
  for (std::size_t i = first + index; i-- > 0;) {
    if (i >= first && !batch[i - first].present) {
      TRY_ASSIGN(UniqueFd fs, sys::open_at(batch[i - first].fs_, ".", O_RDONLY | O_DIRECTORY));
      below.push_back(std::move(fs));
    } else {
      TRY_ASSIGN(UniqueFd fs, sys::open_beneath(layers_, chains[i] + "/" + kLayerFs, O_RDONLY | O_DIRECTORY));
      below.push_back(std::move(fs));
    }
  }
  const LayerStack stack(std::move(below));
  if (layer.root_opaque) {
    // overlayfs merges all layers' roots, opaque or not: what this one hides is hidden name by name.
    TRY_ASSIGN(const std::vector<std::string> names, stack.root_names());
    for (const std::string& name : names) {
      if (::mknodat(layer.fs_.get(), name.c_str(), S_IFCHR | 0, 0) == 0) continue;
      if (errno != EEXIST) return fail_errno(errno, "hide '{}'", name);
      const auto dir = sys::open_at(layer.fs_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (dir.ok()) TRY(mark_opaque(dir.value()));
    }
  }
  for (const std::string& path : layer.implied) {
    const auto from = stack.directory(path);
    const auto to = path.empty() ? sys::open_at(layer.fs_, ".", O_RDONLY | O_DIRECTORY)
                                 : sys::open_in_root(layer.fs_, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!to.ok()) continue;  // replaced by a later entry of the layer
    if (from.ok()) {
      TRY(copy_attributes(from.value(), to.value()).context("directory '{}'", path));
    } else {
      constexpr timespec kNever[2] = {};  // new with this layer and of no time: equal layers are equal
      if (::futimens(to.value().get(), kNever) != 0) return fail_errno(errno, "directory '{}'", path);
    }
  }
  return {};
}

Result<void> LayerWriter::commit(std::vector<StagedLayer>& layers, const std::vector<std::string>& chains, std::size_t first) const {
  for (std::size_t i = 0; i < layers.size(); ++i) TRY(settle(layers, i, chains, first));
  const bool any = std::any_of(layers.begin(), layers.end(), [](const StagedLayer& layer) { return !layer.present; });
  if (!any) return {};
  TRY(fault::point("sync layers"));
  if (::syncfs(layers_.get()) != 0) return fail_errno(errno, "sync the layers");
  for (StagedLayer& layer : layers) {
    if (layer.present) continue;
    TRY(fault::point("name a layer"));
    if (::renameat(layers_.get(), layer.temporary_.c_str(), layers_.get(), layer.chain_.c_str()) != 0)
      return fail_errno(errno, "name layer {}", layer.chain_);
    layer.temporary_ = layer.chain_;  // still ours to remove until its marker stands
    TRY(fault::point("sync a layer's name"));
  }
  if (::fsync(layers_.get()) != 0) return fail_errno(errno, "sync the layers' directory");
  for (StagedLayer& layer : layers) {
    if (layer.present) continue;
    TRY(write_marker(layers_, layer.chain_, layer.info).context("layer {}", layer.chain_));
    layer.temporary_.clear();
    layer.present = true;
  }
  return {};
}

}  // namespace slipway::image
