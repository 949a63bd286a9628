// PAX records and the maps of sparse files.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "base/weaken.h"
#include "image/tar.h"
#include "image/tar_fields.h"

namespace slipway::image {
namespace {

constexpr std::string_view kXattr = "SCHILY.xattr.";
constexpr std::string_view kSparse = "GNU.sparse.";

Error damaged() {
  return fail(Code::invalid_argument, "tar: a damaged PAX header");
}

}  // namespace

// "LENGTH KEY=VALUE\n", LENGTH counting itself.
Result<void> TarReader::parse_records(std::string_view text) {
  while (!text.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + std::min<std::size_t>(text.size(), 10), length);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || length > text.size() || length < digits + 4 || *end != ' ' || text[length - 1] != '\n') return damaged();
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    text.remove_prefix(length);
    const auto equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) return damaged();
    const std::string key(record.substr(0, equals));
    const std::string_view value = record.substr(equals + 1);
    if (key == "GNU.sparse.offset") {
      if (pax_segments_.size() >= kMaxSegments)
        return fail(Code::resource_exhausted, "tar: a sparse file of more than {} pieces", kMaxSegments);
      TRY_ASSIGN(const std::uint64_t offset, pax_number(key, value));
      pax_segments_.push_back({offset, 0});
    } else if (key == "GNU.sparse.numbytes") {
      if (pax_segments_.empty()) return damaged();
      TRY_ASSIGN(pax_segments_.back().size, pax_number(key, value));
    } else if (key == "path" || key == "linkpath" || key == "size" || key == "uid" || key == "gid" || key == "mtime" ||
               key.starts_with(kXattr) || key.starts_with(kSparse)) {
      pax_[key] = value;
      if (pax_.size() > kMaxXattrs + 16) return fail(Code::resource_exhausted, "tar: a file with more than {} attributes", kMaxXattrs);
    }
  }
  return {};
}

Result<void> TarReader::apply_records(TarEntry& entry, char& flag) {
  for (auto& [key, value] : pax_) {
    if (key == "path")
      entry.path = value;
    else if (key == "linkpath")
      entry.link = value;
    else if (key == "size") {
      TRY_ASSIGN(left_, pax_number(key, value));
    } else if (key == "uid" || key == "gid") {
      TRY_ASSIGN(const std::uint64_t id, pax_number(key, value));
      if (id >= UINT32_MAX) return fail(Code::invalid_argument, "tar: the {} {} is out of range", key, id);
      (key == "uid" ? entry.uid : entry.gid) = static_cast<std::uint32_t>(id);
    } else if (key == "mtime")
      TRY(pax_time(value, entry.mtime, entry.mtime_nanos));
    else if (key.starts_with(kXattr))
      entry.xattrs.emplace_back(key.substr(kXattr.size()), std::move(value));
  }
  if (const auto name = pax_.find("GNU.sparse.name"); name != pax_.end()) entry.path = name->second;
  // A PAX sparse file may be marked by its records alone; one of another type cannot be sparse.
  entry.sparse = (flag == 'S' || pax_.count("GNU.sparse.major") != 0 || pax_.count("GNU.sparse.map") != 0 || !pax_segments_.empty()) &&
                 (flag == 'S' || flag == '0' || flag == '\0' || flag == '7');
  return {};
}

Result<void> TarReader::old_sparse_map(const Block& block, TarEntry& entry) {
  TRY_ASSIGN(entry.size, tar_number(block.data() + 483, 12, "size"));
  Block more = block;
  const char* fields = block.data() + 386;
  std::size_t count = 4;
  bool extended = block[482] != 0;
  for (;;) {
    for (std::size_t i = 0; i < count && fields[i * 24] != '\0'; ++i) {
      TarSegment segment;
      TRY_ASSIGN(segment.offset, tar_number(fields + i * 24, 12, "sparse map"));
      TRY_ASSIGN(segment.size, tar_number(fields + i * 24 + 12, 12, "sparse map"));
      if (entry.segments.size() >= kMaxSegments)
        return fail(Code::resource_exhausted, "tar: a sparse file of more than {} pieces", kMaxSegments);
      entry.segments.push_back(segment);
    }
    if (!extended) break;
    if (entry.segments.size() >= kMaxSegments)
      return fail(Code::resource_exhausted, "tar: a sparse file of more than {} pieces", kMaxSegments);
    TRY(read_exact(more.data(), more.size()));
    fields = more.data();
    count = 21;
    extended = more[504] != 0;
    if (fields[0] == '\0') return fail(Code::invalid_argument, "tar: an empty piece of a sparse map");
  }
  return check_segments(entry);
}

Result<void> TarReader::pax_sparse_map(TarEntry& entry) {
  if (!entry.sparse) return {};
  const auto value = [&](const char* key) {
    const auto found = pax_.find(key);
    return found == pax_.end() ? std::string() : found->second;
  };
  const std::string real = pax_.count("GNU.sparse.realsize") != 0 ? value("GNU.sparse.realsize") : value("GNU.sparse.size");
  if (real.empty()) return damaged();
  TRY_ASSIGN(entry.size, pax_number("GNU.sparse.realsize", real));
  if (value("GNU.sparse.major") == "1" && value("GNU.sparse.minor") == "0") {
    TRY(sparse_map_in_data(entry));
  } else if (!pax_segments_.empty()) {
    entry.segments = std::move(pax_segments_);
  } else {
    std::string map = value("GNU.sparse.map");
    std::string_view rest = map;
    while (!rest.empty()) {
      std::uint64_t numbers[2] = {0, 0};
      for (auto& number : numbers) {
        TRY_ASSIGN(number, pax_number("GNU.sparse.map", cut(rest, ',')));
      }
      if (entry.segments.size() >= kMaxSegments)
        return fail(Code::resource_exhausted, "tar: a sparse file of more than {} pieces", kMaxSegments);
      entry.segments.push_back({numbers[0], numbers[1]});
    }
  }
  return check_segments(entry);
}

// Form 1.0: decimal lines before the data, padded to a block: how many pieces, then each one's offset and size.
Result<void> TarReader::sparse_map_in_data(TarEntry& entry) {
  std::string text;
  std::size_t lines = 0, wanted = 1;
  std::uint64_t first = 0;
  while (lines < wanted) {
    const auto newline = text.find('\n');
    if (newline == std::string::npos) {
      Block block;
      if (left_ < block.size() || text.size() > 64) return damaged();
      TRY(read_exact(block.data(), block.size()));
      left_ -= block.size();
      text.append(block.data(), block.size());
      continue;
    }
    TRY_ASSIGN(const std::uint64_t number, pax_number("sparse map", std::string_view(text).substr(0, newline)));
    text.erase(0, newline + 1);
    if (lines == 0) {
      if (number > kMaxSegments && !weakened(Defence::bounded_reads))
        return fail(Code::resource_exhausted, "tar: a sparse file of {} pieces, more than {}", number, kMaxSegments);
      wanted = 1 + 2 * static_cast<std::size_t>(number);
    } else if (lines % 2 == 1) {
      first = number;
    } else {
      entry.segments.push_back({first, number});
    }
    ++lines;
  }
  return {};
}

Result<void> TarReader::check_segments(const TarEntry& entry) const {
  std::uint64_t end = 0, sum = 0;
  for (const TarSegment& segment : entry.segments) {
    if (segment.offset < end || segment.size > entry.size || segment.offset > entry.size - segment.size)
      return fail(Code::invalid_argument, "tar: the pieces of a sparse file overlap or lie outside it");
    end = segment.offset + segment.size;
    sum += segment.size;
  }
  if (sum != left_) return fail(Code::invalid_argument, "tar: a sparse file's pieces are not as long as its data");
  return {};
}

}  // namespace slipway::image
