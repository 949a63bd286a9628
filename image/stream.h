// Bytes on their way from a registry or an archive into a layer: sinks, sources, and the bounded queue between two threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::image {

// Takes some bytes; an error ends the transfer.
using Sink = std::function<Result<void>(std::string_view)>;

// Gives the next bytes; empty at the end. The view holds until the next call.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual Result<std::string_view> next() = 0;
  // Passes over up to `bytes` of what follows the last view, without reading it; how many. Streams cannot.
  virtual std::uint64_t skip(std::uint64_t bytes) {
    (void)bytes;
    return 0;
  }
};

class TextReader : public Reader {  // in pieces, for tests of what comes split
 public:
  explicit TextReader(std::string_view text, std::size_t piece = SIZE_MAX) : text_(text), piece_(piece) {}
  Result<std::string_view> next() override {
    const std::string_view out = text_.substr(0, piece_);
    text_.remove_prefix(out.size());
    return out;
  }

 private:
  std::string_view text_;
  std::size_t piece_;
};

// At most kBuffers × kBufferSize bytes between one producer and one consumer. Whoever fails first tells the other.
class Pipe : public Reader {
 public:
  static constexpr std::size_t kBufferSize = 128 << 10;
  static constexpr std::size_t kBuffers = 8;

  // Producer: a buffer of kBufferSize to fill, then put. cancelled when the consumer has gone.
  Result<std::string> take_empty();
  void put(std::string full);
  void finish(Result<void> how);  // end of file, or why there is no more

  // Consumer.
  Result<std::string_view> next() override;
  void leave();  // wants no more

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> full_;
  std::vector<std::string> empty_;
  std::size_t made_ = 0;
  std::string current_;
  bool finished_ = false, left_ = false;
  std::optional<Error> error_;
};

}  // namespace slipway::image
