// The fields of ustar.
#include "oci/tar_header.h"

#include <algorithm>
#include <cstring>

#include "base/format.h"

namespace slipway::oci {
namespace {

struct Block {
  char name[kTarNameSize], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[kTarNameSize], magic[6], version[2],
      user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};
static_assert(sizeof(Block) == kTarBlock);

template <std::size_t N>
void put_text(char (&field)[N], std::string_view text) {
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

// Octal digits and a NUL.
template <std::size_t N>
void put_number(char (&field)[N], std::uint64_t value) {
  const std::string digits = fmt::format("{:0{}o}", value, N - 1);
  put_text(field, digits.size() == N - 1 ? digits : std::string(N - 1, '0'));
}

}  // namespace

std::string tar_block(const TarHeader& header) {
  Block block = {};
  put_text(block.name, header.name);
  put_number(block.mode, header.mode);
  put_number(block.uid, header.uid);
  put_number(block.gid, header.gid);
  put_number(block.size, header.size);
  put_number(block.mtime, header.mtime);
  put_text(block.link, header.link);
  block.type = header.type;
  put_text(block.magic, std::string_view("ustar\0", 6));
  put_text(block.version, "00");
  if (header.type == '3' || header.type == '4') {
    put_number(block.major, header.major);
    put_number(block.minor, header.minor);
  }
  std::memset(block.checksum, ' ', sizeof block.checksum);
  std::string out(reinterpret_cast<const char*>(&block), sizeof block);
  unsigned sum = 0;
  for (const char c : out) sum += static_cast<unsigned char>(c);
  return out.replace(offsetof(Block, checksum), 7, fmt::format("{:06o}", sum) + '\0');
}

std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
  return fmt::format("{} {}={}\n", length, key, value);
}

}  // namespace slipway::oci
