// The tar stream: blocks, headers, long names.
#include "image/tar.h"

#include <algorithm>
#include <cstring>

#include "image/tar_fields.h"
#include "oci/tar_header.h"

namespace slipway::image {
namespace {

Result<TarType> type_of(char flag, bool slash) {
  switch (flag) {
    case '\0':
    case '0':
    case '7': return slash ? TarType::directory : TarType::file;
    case 'S': return TarType::file;
    case '1': return TarType::hard_link;
    case '2': return TarType::symlink;
    case '3': return TarType::char_device;
    case '4': return TarType::block_device;
    case '5': return TarType::directory;
    case '6': return TarType::fifo;
    default:
      return fail(Code::invalid_argument, "tar: entries of type {:#04x} are not known",
                  static_cast<unsigned>(static_cast<unsigned char>(flag)));
  }
}

}  // namespace

Result<bool> TarReader::fill() {
  if (!chunk_.empty()) return true;
  TRY_ASSIGN(chunk_, in_.next());
  return !chunk_.empty();
}

Result<std::size_t> TarReader::read_upto(char* out, std::size_t size) {
  std::size_t got = 0;
  while (got < size) {
    TRY_ASSIGN(const bool more, fill());
    if (!more) break;
    const std::size_t n = std::min(size - got, chunk_.size());
    std::memcpy(out + got, chunk_.data(), n);
    chunk_.remove_prefix(n);
    got += n;
  }
  position_ += got;
  return got;
}

Result<void> TarReader::read_exact(char* out, std::size_t size) {
  TRY_ASSIGN(const std::size_t got, read_upto(out, size));
  if (got != size) return fail(Code::data_loss, "tar: it ends in the middle of an entry");
  return {};
}

Result<bool> TarReader::read_block(Block& block) {
  TRY_ASSIGN(const std::size_t got, read_upto(block.data(), block.size()));
  if (got == 0) return false;  // some writers leave the two empty blocks out
  if (got != block.size()) return fail(Code::data_loss, "tar: it ends in the middle of a header");
  if (std::any_of(block.begin(), block.end(), [](char c) { return c != 0; })) return true;
  TRY_ASSIGN(const std::size_t second, read_upto(block.data(), block.size()));
  if (second != 0 && std::any_of(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(second), [](char c) { return c != 0; }))
    return fail(Code::invalid_argument, "tar: an empty header in its middle");
  return false;
}

Result<std::string> TarReader::read_text(std::uint64_t size, std::size_t limit, const char* what) {
  if (size > limit) return fail(Code::resource_exhausted, "tar: a {} of {} bytes, more than {}", what, size, limit);
  std::string text(static_cast<std::size_t>(size), '\0');
  TRY(read_exact(text.data(), text.size()));
  TRY(pass(oci::tar_padding(size)));
  return text;
}

Result<void> TarReader::pass(std::uint64_t size) {
  while (size > 0) {
    if (chunk_.empty()) {
      const std::uint64_t skipped = in_.skip(size);
      position_ += skipped;
      size -= skipped;
      if (size == 0) return {};
    }
    TRY_ASSIGN(const bool more, fill());
    if (!more) return fail(Code::data_loss, "tar: it ends in the middle of an entry");
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(size, chunk_.size()));
    chunk_.remove_prefix(n);
    position_ += n;
    size -= n;
  }
  return {};
}

Result<bool> TarReader::next(TarEntry& entry) {
  TRY(pass(left_ + padding_));
  left_ = padding_ = 0;
  entry = TarEntry{};
  pax_.clear();
  pax_segments_.clear();
  long_path_.clear();
  long_link_.clear();
  // Headers that describe the next one; a bounded number, since each may carry a megabyte.
  for (int extra = 0; extra < 8; ++extra) {
    Block block;
    TRY_ASSIGN(const bool more, read_block(block));
    if (!more) {
      if (extra > 0) return fail(Code::data_loss, "tar: it ends after a header's extension");
      return false;
    }
    TRY(tar_check_sum(block.data()));
    TRY_ASSIGN(const std::uint64_t size, tar_number(block.data() + 124, 12, "size"));
    const char flag = block[156];
    if (flag == 'x') {
      TRY_ASSIGN(const std::string text, read_text(size, kMaxHeaderData, "PAX header"));
      TRY(parse_records(text));
    } else if (flag == 'g') {
      TRY(read_text(size, kMaxHeaderData, "global PAX header"));  // image tools ignore what it says, so do we
    } else if (flag == 'L' || flag == 'K') {
      TRY_ASSIGN(std::string text, read_text(size, kMaxPath + 1, "GNU long name"));
      text.resize(std::min(text.find('\0'), text.size()));
      (flag == 'L' ? long_path_ : long_link_) = std::move(text);
    } else {
      TRY(parse_header(block, entry));
      return true;
    }
  }
  return fail(Code::invalid_argument, "tar: more than 8 extension headers before an entry");
}

Result<void> TarReader::parse_header(const Block& block, TarEntry& entry) {
  const char* const b = block.data();
  char flag = b[156];
  entry.path = tar_text(b, 100);
  if (std::memcmp(b + 257, "ustar\0", 6) == 0 && b[345] != '\0') entry.path = tar_text(b + 345, 155) + "/" + entry.path;
  entry.link = tar_text(b + 157, 100);
  TRY_ASSIGN(const std::uint64_t mode, tar_number(b + 100, 8, "mode"));
  entry.mode = static_cast<mode_t>(mode & 07777);
  TRY_ASSIGN(entry.uid, tar_id(b + 108, "uid"));
  TRY_ASSIGN(entry.gid, tar_id(b + 116, "gid"));
  TRY_ASSIGN(left_, tar_number(b + 124, 12, "size"));
  TRY_ASSIGN(entry.mtime, tar_time(b + 136, 12));
  if (flag == '3' || flag == '4') {
    TRY_ASSIGN(const std::uint64_t major, tar_number(b + 329, 8, "device number"));
    TRY_ASSIGN(const std::uint64_t minor, tar_number(b + 337, 8, "device number"));
    if (major > 0xfff || minor > 0xfffff) return fail(Code::invalid_argument, "tar: device {}:{} is out of range", major, minor);
    entry.major = static_cast<std::uint32_t>(major);
    entry.minor = static_cast<std::uint32_t>(minor);
  }
  if (!long_path_.empty()) entry.path = std::move(long_path_);
  if (!long_link_.empty()) entry.link = std::move(long_link_);
  TRY(apply_records(entry, flag));
  TRY_ASSIGN(entry.type, type_of(flag, !entry.path.empty() && entry.path.back() == '/'));
  if (entry.type != TarType::file) left_ = 0;
  if (left_ > (1ULL << 62)) return fail(Code::invalid_argument, "tar: a size of {} bytes", left_);
  padding_ = oci::tar_padding(left_);
  if (!entry.sparse) entry.size = left_;
  if (entry.sparse) TRY(flag == 'S' ? old_sparse_map(block, entry) : pax_sparse_map(entry));
  if (entry.path.size() > kMaxPath || entry.link.size() > kMaxPath)
    return fail(Code::resource_exhausted, "tar: a path longer than {} bytes", kMaxPath);
  if (entry.path.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "tar: a path with a NUL byte");
  return {};
}

Result<std::string_view> TarReader::data() {
  if (left_ == 0) return std::string_view{};
  TRY_ASSIGN(const bool more, fill());
  if (!more) return fail(Code::data_loss, "tar: it ends in the middle of a file");
  const std::string_view piece = chunk_.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, chunk_.size())));
  chunk_.remove_prefix(piece.size());
  position_ += piece.size();
  left_ -= piece.size();
  return piece;
}

Result<void> TarReader::drain() {
  for (;;) {
    TRY_ASSIGN(const bool more, fill());
    if (!more) return {};
    position_ += chunk_.size();
    chunk_ = {};
  }
}

}  // namespace slipway::image
