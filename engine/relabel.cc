// A pool of walkers over a queue of directories.
#include "engine/relabel.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr const char* kAttribute = "security.selinux";
constexpr std::size_t kWalkers = 4;
constexpr std::size_t kLabelLimit = 4096;
constexpr std::size_t kDepthLimit = 1000;  // each level holds a descriptor, and who fills the volume may nest as he likes

// A relabelled /etc is a host on which nothing starts any more.
bool is_of_the_host(std::string_view path) {
  constexpr std::string_view kAll[] = {"/",           "/bin",     "/boot",     "/dev",   "/etc",     "/etc/passwd", "/etc/pki",
                                       "/etc/shadow", "/home",    "/lib",      "/lib64", "/media",   "/opt",        "/proc",
                                       "/root",       "/run",     "/sbin",     "/srv",   "/sys",     "/tmp",        "/usr",
                                       "/usr/bin",    "/usr/lib", "/usr/sbin", "/var",   "/var/lib", "/var/log",    "/var/run"};
  return std::find(std::begin(kAll), std::end(kAll), path) != std::end(kAll);
}

// A name in a directory that is held open: whatever happens to the path before it, the name itself is not followed.
std::string in(FdRef directory, const char* name) {
  return "/proc/self/fd/" + std::to_string(directory.get()) + "/" + name;
}

struct Directory {
  UniqueFd fd;
  std::size_t depth = 0;
};

class Walk {
 public:
  Walk(const std::string& label, const Labeller& labeller) : label_(label), labeller_(labeller) {}

  Result<void> operator()(UniqueFd top) {
    waiting_.push_back({std::move(top), 0});
    std::vector<std::thread> walkers;
    try {
      for (std::size_t i = 1; i < kWalkers; ++i) walkers.emplace_back([this] { work(); });
    } catch (const std::system_error&) {  // the host has no more threads: fewer walk
    }
    work();
    for (std::thread& walker : walkers) walker.join();
    if (error_) return std::move(*error_);
    return {};
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return error_ || !waiting_.empty() || busy_ == 0; });
      if (error_ || waiting_.empty()) return;
      Directory directory = std::move(waiting_.back());
      waiting_.pop_back();
      ++busy_;
      lock.unlock();
      Result<void> done = label_content(std::move(directory));
      lock.lock();
      --busy_;
      if (!done.ok() && !error_) error_ = std::move(done).error();
      changed_.notify_all();
    }
  }

  Result<void> label_content(Directory directory) {
    if (directory.depth > kDepthLimit) return fail(Code::resource_exhausted, "the volume nests more than {} directories", kDepthLimit);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory.fd.get()), ::closedir);
    if (!stream) return fail_errno(errno, "read a directory of the volume");
    (void)directory.fd.release();  // the stream's
    const FdRef held(::dirfd(stream.get()));
    for (;;) {
      errno = 0;
      const struct dirent* entry = ::readdir(stream.get());
      if (entry == nullptr && errno != 0) return fail_errno(errno, "read a directory of the volume");
      if (entry == nullptr) return {};
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") TRY(label_one(held, entry->d_name, directory.depth + 1));
    }
  }

  Result<void> label_one(FdRef directory, const char* name, std::size_t depth) {
    UniqueFd inside(::openat(directory.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inside && errno == ENOENT) return {};  // gone meanwhile
    if (!inside && errno != ENOTDIR && errno != ELOOP) return fail_errno(errno, "open '{}' in the volume", name);
    TRY(labeller_.write(in(directory, name), label_).context("'{}' in the volume", name));
    if (!inside || handed_on(inside, depth)) return {};
    return label_content({std::move(inside), depth});
  }

  // To another walker, unless each of them finds one waiting already: descriptors are bounded by depth, not by width.
  bool handed_on(UniqueFd& directory, std::size_t depth) {
    const std::lock_guard lock(mutex_);
    if (error_) return true;
    if (waiting_.size() >= kWalkers) return false;
    waiting_.push_back({std::move(directory), depth});
    changed_.notify_one();
    return true;
  }

  const std::string& label_;
  const Labeller& labeller_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Directory> waiting_;
  std::size_t busy_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Labeller file_labels() {
  Labeller labeller;
  labeller.read = [](const std::string& path) -> Result<std::string> {
    std::string text(kLabelLimit, '\0');
    const ssize_t n = ::lgetxattr(path.c_str(), kAttribute, text.data(), text.size());
    if (n < 0 && (errno == ENODATA || errno == ENOTSUP || errno == ERANGE)) return std::string();
    if (n < 0) return fail_errno(errno, "read the label of '{}'", path);
    text.resize(static_cast<std::size_t>(n));
    while (text.ends_with('\0')) text.pop_back();
    return text;
  };
  labeller.write = [](const std::string& path, const std::string& label) -> Result<void> {
    if (::lsetxattr(path.c_str(), kAttribute, label.c_str(), label.size() + 1, 0) == 0) return {};
    if (errno == ENOTSUP || errno == ENOENT) return {};
    return fail_errno(errno, "set the label '{}'", label);
  };
  return labeller;
}

namespace {

// By the directory that the volume is in: a container that may write there may put a link in the path's place meanwhile.
struct Volume {
  UniqueFd parent;
  std::string name;
  std::string at() const { return in(parent, name.c_str()); }
};

Result<Volume> open_volume(const std::string& path) {
  if (is_of_the_host(path)) return fail(Code::invalid_argument, "'{}' is the host's: it is not relabelled", path);
  const std::size_t slash = path.rfind('/');
  const std::string directory = path.substr(0, slash);
  TRY_ASSIGN(UniqueFd parent, sys::open_path_without_links(directory.empty() ? "/" : directory, O_PATH | O_DIRECTORY));
  return Volume{std::move(parent), path.substr(slash + 1)};
}

}  // namespace

Result<bool> is_relabelled(const std::string& path, const std::string& label, const Labeller& labeller) {
  TRY_ASSIGN(const Volume volume, open_volume(path));
  TRY_ASSIGN(const std::string present, labeller.read(volume.at()));
  return present == label;
}

Result<void> relabel_tree(const std::string& path, const std::string& label, const Labeller& labeller) {
  TRY_ASSIGN(const Volume volume, open_volume(path));
  TRY_ASSIGN(const std::string present, labeller.read(volume.at()));
  if (present == label) return {};
  UniqueFd top(::openat(volume.parent.get(), volume.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top && errno != ENOTDIR && errno != ELOOP) return fail_errno(errno, "open '{}'", path);
  if (top) TRY(Walk(label, labeller)(std::move(top)).context("relabel '{}'", path));
  return labeller.write(volume.at(), label).context("relabel '{}'", path);
}

}  // namespace slipway::engine
