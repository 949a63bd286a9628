// The two JSON files beside criu's images.
#include "runtime/criu/notes.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/file.h"

namespace slipway::runtime::criu {
namespace {

using oci::json::append_quoted;
using oci::json::read;
using oci::json::Value;

constexpr const char* kDescriptors = "descriptors.json";
constexpr const char* kOwn = "slipway.json";
constexpr std::size_t kLimit = 4U << 20;
constexpr std::string_view kSources[] = {"bind", "root", "device", "cgroup"};

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

template <class Items, class F>
std::string array(const Items& items, F&& to_text) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? "," : "") + to_text(item);
  return out + "]";
}

Result<void> read_source(const Value& value, Source& out) {
  std::string word;
  TRY(read(value, word));
  for (std::size_t i = 0; i < std::size(kSources); ++i) {
    if (kSources[i] != word) continue;
    out = static_cast<Source>(i);
    return {};
  }
  return value.not_known();
}

Result<void> read_mount(const Value& value, ExternalMount& out) {
  TRY(value.members([&](std::string_view name, const Value& member) -> Result<void> {
    if (name == "name") return read(member, out.name);
    if (name == "source") return read_source(member, out.source);
    if (name == "of") return read(member, out.of);
    if (name == "beneath") return read(member, out.beneath);
    return {};
  }));
  // criu finds "mnt[NAME]:PATH" by its text.
  if (out.name.empty() || out.name.find(']') != std::string::npos)
    return value.error(Code::data_loss, "'{}' is no name of a mount", out.name);
  return {};
}

Result<void> read_file_entry(const Value& value, ExternalFile& out) {
  std::int64_t descriptor = -1;
  TRY(value.members([&](std::string_view name, const Value& member) -> Result<void> {
    if (name == "key") return read(member, out.key);
    if (name == "descriptor") return read(member, descriptor);
    if (name == "null") return read(member, out.null);
    return {};
  }));
  if (descriptor < 0 || descriptor > 2) return value.error(Code::data_loss, "descriptor {} is none of 0, 1, 2", descriptor);
  out.descriptor = static_cast<int>(descriptor);
  return {};
}

// ["pages-1.img", 4096]
Result<void> read_size(const Value& value, Notes& out) {
  std::string file;
  std::uint64_t size = 0;
  int index = 0;
  TRY(value.items([&](const Value& item) -> Result<void> {
    ++index;
    if (index == 1) return read(item, file);
    if (index == 2) return read(item, size);
    return {};
  }));
  if (index != 2 || file.find('/') != std::string::npos) return value.error(Code::data_loss, "'{}' is no image with its size", file);
  out.sizes[file] = size;
  return {};
}

Result<void> check_sizes(FdRef images, const Notes& notes) {
  for (const auto& [file, size] : notes.sizes) {
    struct stat st = {};
    if (::fstatat(images.get(), file.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "image '{}'", file);
    if (static_cast<std::uint64_t>(st.st_size) != size)
      return fail(Code::data_loss, "image '{}' has {} bytes, not {}", file, st.st_size, size);
  }
  return {};
}

// The directory is whoever's the images are: no link to elsewhere, no FIFO that would be waited for.
Result<std::string> read_note(FdRef images, const char* name) {
  TRY_ASSIGN(const UniqueFd file, sys::open_regular_at(images, name));
  return sys::read_fd(file, kLimit).context("{}", name);
}

}  // namespace

std::vector<std::string> standard_descriptors(std::string_view process) {
  std::vector<std::string> out;
  for (int fd = 0; fd < 3; ++fd) {
    char target[PATH_MAX];
    const ssize_t n = ::readlink(fmt::format("/proc/{}/fd/{}", process, fd).c_str(), target, sizeof target);
    out.emplace_back(target, n < 0 || n == static_cast<ssize_t>(sizeof target) ? 0 : static_cast<std::size_t>(n));
  }
  return out;
}

std::string write_descriptors(const Notes& notes) {
  return array(notes.descriptors, quoted) + "\n";
}

std::string write_own(const Notes& notes) {
  const std::string mounts = array(notes.mounts, [](const ExternalMount& mount) {
    return fmt::format(R"({{"name":{},"source":"{}","of":{},"beneath":{}}})", quoted(mount.name), kSources[static_cast<int>(mount.source)],
                       quoted(mount.of), quoted(mount.beneath));
  });
  const std::string files = array(notes.files, [](const ExternalFile& file) {
    return fmt::format(R"({{"key":{},"descriptor":{},"null":{}}})", quoted(file.key), file.descriptor, file.null);
  });
  const std::string sizes = array(notes.sizes, [](const auto& size) { return fmt::format("[{},{}]", quoted(size.first), size.second); });
  return fmt::format("{{\"version\":1,\"mounts\":{},\"files\":{},\"images\":{}}}\n", mounts, files, sizes);
}

Result<void> parse_descriptors(std::string_view json, Notes& out) {
  TRY_ASSIGN(const auto document, oci::json::Document::parse(json, {}));
  TRY(read(Value(document, document.root(), ""), out.descriptors));
  if (out.descriptors.size() > 3) return fail(Code::data_loss, "{} entries, of three standard descriptors", out.descriptors.size());
  return {};
}

Result<void> parse_own(std::string_view json, Notes& out) {
  TRY_ASSIGN(const auto document, oci::json::Document::parse(json, {}));
  std::int64_t version = 0;
  TRY(Value(document, document.root(), "").members([&](std::string_view name, const Value& value) -> Result<void> {
    if (name == "version") return read(value, version);
    if (name == "mounts") return value.items([&](const Value& item) { return read_mount(item, out.mounts.emplace_back()); });
    if (name == "images") return value.items([&](const Value& item) { return read_size(item, out); });
    if (name == "files") return value.items([&](const Value& item) { return read_file_entry(item, out.files.emplace_back()); });
    return {};
  }));
  if (version != 1) return fail(Code::unimplemented, "version {} is not known, only 1 is", version);
  out.ours = true;
  return {};
}

Result<void> write_notes(FdRef images, Notes notes) {
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(images));
  for (const std::string& name : names) {
    struct stat st = {};
    if (name.ends_with(".img") && ::fstatat(images.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
      notes.sizes[name] = static_cast<std::uint64_t>(st.st_size);
  }
  TRY(sys::replace_file(images, kOwn, write_own(notes), 0600));
  return sys::replace_file(images, kDescriptors, write_descriptors(notes), 0600);
}

Result<Notes> read_notes(FdRef images) {
  Notes notes;
  auto text = read_note(images, kDescriptors);
  if (!text.ok() && text.error().sys_errno == ENOENT)
    return fail(Code::failed_precondition, "there is no complete checkpoint: {} is missing", kDescriptors);
  if (!text.ok()) return std::move(text).error();
  TRY(parse_descriptors(text.value(), notes).context("{}", kDescriptors));
  text = read_note(images, kOwn);
  if (!text.ok() && text.error().sys_errno == ENOENT) return notes;
  if (!text.ok()) return std::move(text).error();
  TRY(parse_own(text.value(), notes).context("{}", kOwn));
  TRY(check_sizes(images, notes));
  return notes;
}

void remove_notes(FdRef images) {
  (void)::unlinkat(images.get(), kDescriptors, 0);
  (void)::unlinkat(images.get(), kOwn, 0);
}

}  // namespace slipway::runtime::criu
