// Reads tar streams that nobody vouches for: ustar, GNU and PAX, with every length bounded before it is believed.
//
// Sequential, never seeks, holds no data: a caller takes an entry's bytes piece by piece, or calls next() and they are passed over.
// pax(1) "ustar Interchange Format", "pax Header Block"; GNU tar manual, "Storing Sparse Files".
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "image/stream.h"

namespace slipway::image {

enum class TarType { file, hard_link, symlink, char_device, block_device, directory, fifo };

struct TarSegment {
  std::uint64_t offset = 0, size = 0;
};

struct TarEntry {
  TarType type = TarType::file;
  std::string path;  // as written: whoever uses it decides what it may be
  std::string link;
  mode_t mode = 0;  // permission bits, with set-id and sticky
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;  // of the file; with a sparse map more than its data
  std::int64_t mtime = 0;
  std::uint32_t mtime_nanos = 0;
  std::uint32_t major = 0, minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
  bool sparse = false;
  std::vector<TarSegment> segments;  // of a sparse file, ascending; the data is theirs in a row
};

class TarReader {
 public:
  static constexpr std::size_t kMaxPath = 4096;
  static constexpr std::size_t kMaxHeaderData = 1 << 20;  // of one PAX header
  static constexpr std::size_t kMaxSegments = 65536;
  static constexpr std::size_t kMaxXattrs = 256;

  explicit TarReader(Reader& in) : in_(in) {}

  // False at the archive's end. invalid_argument: not a tar, or malformed; data_loss: it ends early.
  Result<bool> next(TarEntry& entry);
  // The next piece of the entry's data; empty at its end.
  Result<std::string_view> data();
  // Bytes of the stream before the current entry's data: where a seekable archive holds it.
  std::uint64_t position() const { return position_; }
  // Reads what follows the archive's end, so that digests cover it.
  Result<void> drain();

 private:
  using Block = std::array<char, 512>;
  using Records = std::map<std::string, std::string>;

  Result<bool> fill();                                         // makes chunk_ hold something; false at the end
  Result<std::size_t> read_upto(char* out, std::size_t size);  // less only at the end of the stream
  Result<void> read_exact(char* out, std::size_t size);
  Result<bool> read_block(Block& block);  // false at the end of the stream or archive
  Result<std::string> read_text(std::uint64_t size, std::size_t limit, const char* what);
  Result<void> pass(std::uint64_t size);
  Result<void> parse_header(const Block& block, TarEntry& entry);
  Result<void> apply_records(TarEntry& entry, char& flag);
  Result<void> old_sparse_map(const Block& block, TarEntry& entry);
  Result<void> pax_sparse_map(TarEntry& entry);
  Result<void> sparse_map_in_data(TarEntry& entry);
  Result<void> check_segments(const TarEntry& entry) const;
  Result<void> parse_records(std::string_view text);

  Reader& in_;
  std::string_view chunk_;
  std::uint64_t position_ = 0;
  std::uint64_t left_ = 0;                // of the entry's data
  std::uint64_t padding_ = 0;             // after it
  Records pax_;                           // of the next entry
  std::vector<TarSegment> pax_segments_;  // GNU.sparse.offset and numbytes come once for each
  std::string long_path_, long_link_;
};

}  // namespace slipway::image
