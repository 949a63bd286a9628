// SPDY/3's name/value blocks: one zlib stream a direction with the protocol's dictionary (SPDY Protocol Draft 3.1, 2.6.10).
//
// Pure; one thread. Bounded: a block inflates to at most kMaxBlock bytes and holds at most kMaxHeaders pairs, whatever it was compressed
// from.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace slipway::streaming {

// Names are lower case; values of one name are joined by NUL, as on the wire.
using Headers = std::vector<std::pair<std::string, std::string>>;

// The value of `name`, empty where it is absent.
std::string_view find_header(const Headers& headers, std::string_view name);

// The dictionary that both directions start with.
const std::string& spdy_dictionary();

class HeaderReader {
 public:
  static constexpr std::size_t kMaxBlock = 16 * 1024;
  static constexpr std::size_t kMaxHeaders = 64;

  HeaderReader();
  ~HeaderReader();
  HeaderReader(const HeaderReader&) = delete;
  HeaderReader& operator=(const HeaderReader&) = delete;

  // After an error the stream's state is lost: the connection has to end.
  Result<Headers> read(std::string_view compressed);

 private:
  Result<std::string> inflate_block(std::string_view compressed);

  struct Stream;
  std::unique_ptr<Stream> stream_;
};

class HeaderWriter {
 public:
  HeaderWriter();
  ~HeaderWriter();
  HeaderWriter(const HeaderWriter&) = delete;
  HeaderWriter& operator=(const HeaderWriter&) = delete;

  Result<std::string> write(const Headers& headers);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace slipway::streaming
