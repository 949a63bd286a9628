// 256 random bits as text for a URL.
#include "streaming/tokens.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace slipway::streaming {

Result<std::string> make_token() {
  std::array<unsigned char, 32> bits{};
  if (::getrandom(bits.data(), bits.size(), 0) != static_cast<ssize_t>(bits.size())) return fail_errno(errno, "getrandom");
  constexpr const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t held = 0;
  int count = 0;
  for (const unsigned char byte : bits) {
    held = held << 8 | byte;
    for (count += 8; count >= 6; count -= 6) out += kAlphabet[held >> (count - 6) & 63];
  }
  if (count > 0) out += kAlphabet[held << (6 - count) & 63];
  return out;
}

}  // namespace slipway::streaming
