// What stands before a member of a tar archive: its header block, and the PAX records of what does not fit into one.
//
// pax(1), "ustar Interchange Format" and "pax Header Block".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace slipway::oci {

inline constexpr std::size_t kTarBlock = 512;
inline constexpr std::size_t kTarNameSize = 100;  // of a name or a link, which need no NUL
inline constexpr std::uint64_t kTarLargestSize = 077777777777;
inline constexpr std::uint64_t kTarLargestId = 07777777;

struct TarHeader {
  std::string_view name;
  char type = '0';
  unsigned mode = 0644;
  std::uint64_t uid = 0, gid = 0, size = 0, mtime = 0;
  std::string_view link;
  unsigned major = 0, minor = 0;  // written for '3' and '4' only
};

// One block. Texts are cut where they are too long and numbers that are too large are 0: a PAX record tells them.
std::string tar_block(const TarHeader& header);

// "LENGTH KEY=VALUE\n", the length counting itself.
std::string pax_record(std::string_view key, std::string_view value);

// How many zeros follow content of that size.
constexpr std::size_t tar_padding(std::uint64_t size) {
  return (kTarBlock - size % kTarBlock) % kTarBlock;
}

}  // namespace slipway::oci
