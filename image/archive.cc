// Directories and tar files as sets of files.
#include "image/archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "image/inflate.h"
#include "image/tar.h"
#include "image/unpack.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr std::size_t kMaxMembers = 100'000;
constexpr int kMaxLinks = 8;

class FileReader : public Reader {
 public:
  FileReader(FdRef file, std::uint64_t size) : file_(file), size_(size) {}
  Result<std::string_view> next() override {
    const ssize_t n = sys::retry_eintr([&] { return ::pread(file_.get(), buffer_.data(), buffer_.size(), static_cast<off_t>(offset_)); });
    if (n < 0) return fail_errno(errno, "read the archive");
    offset_ += static_cast<std::uint64_t>(n);
    return std::string_view(buffer_.data(), static_cast<std::size_t>(n));
  }
  std::uint64_t skip(std::uint64_t bytes) override {
    const std::uint64_t n = std::min(bytes, size_ - std::min(offset_, size_));
    offset_ += n;
    return n;
  }

 private:
  FdRef file_;
  std::uint64_t size_, offset_ = 0;
  std::array<char, 4096> buffer_;  // headers are what is read here
};

Result<struct stat> stat_of(FdRef file) {
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) return fail_errno(errno, "stat");
  return st;
}

class DirectoryArchive : public Archive {
 public:
  explicit DirectoryArchive(UniqueFd dir) : dir_(std::move(dir)) {}
  Result<Part> part(const std::string& name) const override {
    TRY_ASSIGN(UniqueFd file, sys::open_beneath(dir_, name, O_RDONLY | O_NOCTTY | O_NONBLOCK));
    TRY_ASSIGN(const struct stat st, stat_of(file));
    if (!S_ISREG(st.st_mode)) return fail(Code::invalid_argument, "'{}' is no regular file", name);
    return Part{std::move(file), 0, static_cast<std::uint64_t>(st.st_size)};
  }

 private:
  UniqueFd dir_;
};

class TarArchive : public Archive {
 public:
  explicit TarArchive(UniqueFd file) : file_(std::move(file)) {}

  Result<void> index() {
    TRY_ASSIGN(const struct stat st, stat_of(file_));
    FileReader reader(file_, static_cast<std::uint64_t>(st.st_size));
    TarReader tar(reader);
    TarEntry entry;
    for (;;) {
      TRY_ASSIGN(const bool more, tar.next(entry));
      if (!more) return {};
      if (members_.size() + links_.size() >= kMaxMembers) return fail(Code::resource_exhausted, "more than {} files", kMaxMembers);
      TRY_ASSIGN(const std::string path, clean_path(entry.path));
      if (entry.type == TarType::file && !entry.sparse) members_[path] = {tar.position(), entry.size};
      if (entry.type == TarType::hard_link) links_[path] = "/" + entry.link;
      if (entry.type == TarType::symlink) links_[path] = entry.link;
    }
  }

  Result<Part> part(const std::string& name) const override {
    TRY_ASSIGN(std::string path, clean_path(name));
    for (int links = 0; links < kMaxLinks; ++links) {
      if (const auto member = members_.find(path); member != members_.end()) {
        TRY_ASSIGN(UniqueFd file, sys::copy_fd(file_));
        return Part{std::move(file), member->second.offset, member->second.size};
      }
      const auto link = links_.find(path);
      if (link == links_.end()) break;
      path = follow_in_root(path.substr(0, std::min(path.rfind('/'), path.size())), link->second);
    }
    return fail(Code::not_found, "the archive has no '{}'", name);
  }

 private:
  struct Place {
    std::uint64_t offset, size;
  };
  UniqueFd file_;
  std::map<std::string, Place> members_;
  std::map<std::string, std::string> links_;
};

Result<void> read_part(FdRef file, std::uint64_t offset, std::uint64_t size, const Sink& sink) {
  std::string buffer(256 << 10, '\0');
  while (size > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer.size()));
    const ssize_t n = sys::retry_eintr([&] { return ::pread(file.get(), buffer.data(), want, static_cast<off_t>(offset)); });
    if (n < 0) return fail_errno(errno, "read the archive");
    if (n == 0) return fail(Code::data_loss, "the archive ends early");
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::uint64_t>(n);
    TRY(sink({buffer.data(), static_cast<std::size_t>(n)}));
  }
  return {};
}

Result<UniqueFd> unpack_whole(FdRef packed, std::uint64_t size, oci::LayerForm form, FdRef scratch, std::uint64_t limit) {
  TRY_ASSIGN(UniqueFd plain, sys::open_at(scratch, ".", O_TMPFILE | O_RDWR, 0600));
  Pipe pipe;
  std::thread fetcher([&] {
    PipeWriter writer(pipe);
    const auto inflater = make_inflater(form, writer);
    auto r = read_part(packed, 0, size, [&](std::string_view bytes) { return inflater->add(bytes); });
    if (r.ok()) r = inflater->finish();
    pipe.finish(std::move(r));
  });
  const auto write = [&]() -> Result<void> {
    for (std::uint64_t total = 0;;) {
      TRY_ASSIGN(const std::string_view bytes, pipe.next());
      if (bytes.empty()) return {};
      total += bytes.size();
      if (total > limit) return fail(Code::resource_exhausted, "it unpacks to more than {} bytes", limit);
      TRY(sys::write_all(plain, bytes));
    }
  };
  const auto r = write();
  pipe.leave();
  fetcher.join();
  if (!r.ok()) return r.error();
  return plain;
}

}  // namespace

Result<std::unique_ptr<Archive>> Archive::open(const std::string& path, FdRef scratch, std::uint64_t limit) {
  TRY_ASSIGN(UniqueFd file, sys::open_path(path, O_RDONLY | O_NOCTTY | O_NONBLOCK));
  TRY_ASSIGN(const struct stat st, stat_of(file));
  if (S_ISDIR(st.st_mode)) return std::unique_ptr<Archive>(std::make_unique<DirectoryArchive>(std::move(file)));
  if (!S_ISREG(st.st_mode)) return fail(Code::invalid_argument, "{} is neither a directory nor a file", path);
  char first[4] = {};
  (void)!::pread(file.get(), first, sizeof first, 0);
  if (const auto form = sniff_form({first, sizeof first}); form != oci::LayerForm::tar) {
    TRY_ASSIGN(file, unpack_whole(file, static_cast<std::uint64_t>(st.st_size), form, scratch, limit).context("{}", path));
  }
  auto archive = std::make_unique<TarArchive>(std::move(file));
  TRY(archive->index().context("{}: neither an OCI layout nor an archive of docker", path));
  return std::unique_ptr<Archive>(std::move(archive));
}

Result<std::string> Archive::text(const std::string& name, std::size_t limit) const {
  TRY_ASSIGN(const Part found, part(name));
  if (found.size > limit) return fail(Code::resource_exhausted, "'{}' has {} bytes, more than {}", name, found.size, limit);
  std::string out;
  TRY(read_part(found.file, found.offset, found.size, [&](std::string_view bytes) -> Result<void> {
    out += bytes;
    return {};
  }));
  return out;
}

Result<void> Archive::read(const std::string& name, const Sink& sink) const {
  TRY_ASSIGN(const Part found, part(name));
  return read_part(found.file, found.offset, found.size, sink);
}

}  // namespace slipway::image
