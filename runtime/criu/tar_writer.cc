// Tar entries.
#include "runtime/criu/tar_writer.h"

#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "oci/tar_header.h"
#include "sys/file.h"

namespace slipway::runtime::criu {
namespace {

using oci::kTarBlock;

constexpr std::size_t kMaxSegments = 65536;
constexpr std::size_t kPiece = 1 << 20;

char type_of(const TarMember& member) {
  if (member.hard_link) return '1';
  switch (member.st.st_mode & S_IFMT) {
    case S_IFLNK: return '2';
    case S_IFCHR: return '3';
    case S_IFBLK: return '4';
    case S_IFDIR: return '5';
    case S_IFIFO: return '6';
    default: return '0';
  }
}

}  // namespace

Result<void> TarWriter::pad(std::uint64_t size) {
  constexpr std::array<char, kTarBlock> kZeros{};
  const std::size_t zeros = oci::tar_padding(size);
  return zeros == 0 ? Result<void>{} : sys::write_all(out_, {kZeros.data(), zeros});
}

Result<void> TarWriter::header(const TarMember& member, char type, std::uint64_t size, Records records) {
  const std::string path = member.path + (type == '5' ? "/" : "");
  if (path.size() > oci::kTarNameSize) records.emplace("path", path);
  if (member.link.size() > oci::kTarNameSize) records.emplace("linkpath", member.link);
  if (size > oci::kTarLargestSize) records.emplace("size", std::to_string(size));
  if (member.st.st_uid > oci::kTarLargestId) records.emplace("uid", std::to_string(member.st.st_uid));
  if (member.st.st_gid > oci::kTarLargestId) records.emplace("gid", std::to_string(member.st.st_gid));
  for (const auto& [name, value] : member.xattrs) records.emplace("SCHILY.xattr." + name, value);
  if (!records.empty()) {
    std::string text;
    for (const auto& [key, value] : records) text += oci::pax_record(key, value);
    const std::string name = "PaxHeaders/" + member.path.substr(member.path.rfind('/') + 1).substr(0, 80);
    TRY(sys::write_all(out_, oci::tar_block({.name = name, .type = 'x', .size = text.size()})));
    TRY(sys::write_all(out_, text));
    TRY(pad(text.size()));
  }
  return sys::write_all(out_, oci::tar_block({.name = path,
                                              .type = type,
                                              .mode = member.st.st_mode & 07777,
                                              .uid = member.st.st_uid,
                                              .gid = member.st.st_gid,
                                              .size = size,
                                              .mtime = static_cast<std::uint64_t>(std::max<std::int64_t>(member.st.st_mtime, 0)),
                                              .link = member.link,
                                              .major = major(member.st.st_rdev),
                                              .minor = minor(member.st.st_rdev)}));
}

Result<void> TarWriter::copy(FdRef data, std::uint64_t offset, std::uint64_t size, const std::string& path) {
  auto at = static_cast<off_t>(offset);
  for (std::uint64_t left = size; left > 0;) {
    const ssize_t n = sys::retry_eintr([&] { return ::sendfile(out_.get(), data.get(), &at, std::min<std::uint64_t>(left, kPiece)); });
    if (n < 0) return fail_errno(errno, "copy '{}' into the archive", path);
    if (n == 0) return fail(Code::data_loss, "'{}' became shorter while it was copied", path);
    left -= static_cast<std::uint64_t>(n);
  }
  return {};
}

// Where a file has data. Empty: all of it, or the holes are too many to tell.
Result<std::vector<TarWriter::Segment>> TarWriter::segments_of(FdRef data, std::uint64_t size) {
  std::vector<Segment> out;
  for (std::uint64_t at = 0; at < size;) {
    const off_t from = ::lseek(data.get(), static_cast<off_t>(at), SEEK_DATA);
    if (from < 0 && errno == ENXIO) break;  // a hole up to the end
    if (from < 0) return fail_errno(errno, "look for data");
    if (static_cast<std::uint64_t>(from) >= size) break;  // of what was added since
    const off_t to = ::lseek(data.get(), from, SEEK_HOLE);
    if (to < 0) return fail_errno(errno, "look for a hole");
    out.push_back({static_cast<std::uint64_t>(from), std::min(static_cast<std::uint64_t>(to), size) - static_cast<std::uint64_t>(from)});
    if (out.size() > kMaxSegments) return fail(Code::resource_exhausted, "more than {} pieces of data between holes", kMaxSegments);
    at = static_cast<std::uint64_t>(to);
  }
  if (out.size() == 1 && out[0].size == size)
    out.clear();
  else
    out.push_back({size, 0});  // tells readers the end
  return out;
}

Result<void> TarWriter::add(const TarMember& member, FdRef data) {
  const char type = type_of(member);
  const auto size = static_cast<std::uint64_t>(type == '0' ? member.st.st_size : 0);
  if (size == 0) return header(member, type, 0, {});
  TRY_ASSIGN(const std::vector<Segment> segments, segments_of(data, size).context("'{}'", member.path));
  if (segments.empty()) {
    TRY(header(member, type, size, {}));
    TRY(copy(data, 0, size, member.path));
    return pad(size);
  }
  std::string map = fmt::format("{}\n", segments.size());
  std::uint64_t stored = 0;
  for (const Segment& segment : segments) {
    map += fmt::format("{}\n{}\n", segment.offset, segment.size);
    stored += segment.size;
  }
  map.resize(map.size() + oci::tar_padding(map.size()));
  TarMember sparse = member;
  sparse.path = "GNUSparseFile.0/" + member.path.substr(member.path.rfind('/') + 1);
  TRY(header(sparse, type, map.size() + stored,
             {{"GNU.sparse.major", "1"},
              {"GNU.sparse.minor", "0"},
              {"GNU.sparse.name", member.path},
              {"GNU.sparse.realsize", std::to_string(size)}}));
  TRY(sys::write_all(out_, map));
  for (const Segment& segment : segments) TRY(copy(data, segment.offset, segment.size, member.path));
  return pad(stored);
}

Result<void> TarWriter::add_text(const std::string& path, std::string_view text) {
  TarMember member;
  member.path = path;
  member.st.st_mode = S_IFREG | 0600;
  TRY(header(member, '0', text.size(), {}));
  TRY(sys::write_all(out_, text));
  return pad(text.size());
}

Result<void> TarWriter::finish() {
  constexpr std::array<char, 2 * kTarBlock> kEnd{};
  return sys::write_all(out_, {kEnd.data(), kEnd.size()});
}

}  // namespace slipway::runtime::criu
