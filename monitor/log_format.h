// A stream of bytes as CRI log entries: `TIME stdout|stderr P|F CONTENT\n` (field-notes §4).
//
// Pure: bytes and a time go in, batches of iovecs come out, no system call. Lines longer than 16 KiB are split: their pieces
// are tagged P, the last F. What stands without a newline is held until one comes, the piece is full, or flush() gives it
// out as P. Every byte but '\n' passes unchanged, NUL and '\r' too. No allocation; a whole line is never copied.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/time.h"

namespace slipway::monitor {

inline constexpr std::size_t kMaxLine = 16 * 1024;  // content bytes of one entry

enum class Stream { out, err };

// "2026-11-21T20:50:11.123456789Z", without allocating.
inline constexpr std::size_t kTimeLength = 30;
void format_time(UnixNanos time, std::span<char, kTimeLength> out);

// Some entries as one writev. The parts point into the formatter and its input: valid during LogOutput::write only.
struct LogBatch {
  static constexpr std::size_t kEntries = 64;
  std::array<iovec, 3 * kEntries> parts;
  std::array<std::size_t, kEntries> ends;  // bytes from the batch's begin to the end of entry i
  std::size_t part_count = 0;
  std::size_t entry_count = 0;

  std::size_t bytes() const { return entry_count == 0 ? 0 : ends[entry_count - 1]; }
  bool full() const { return entry_count == kEntries; }
  void clear() { part_count = entry_count = 0; }
  void add(std::string_view prefix, std::string_view first, std::string_view second);
};

class LogOutput {
 public:
  virtual void write(const LogBatch& batch) = 0;

 protected:
  ~LogOutput() = default;
};

class LogFormatter {
 public:
  // `hold`: kMaxLine bytes of the caller's that keep the begin of an unfinished line.
  LogFormatter(Stream stream, std::span<char> hold) : stream_(stream), hold_(hold) {}

  // `time`: when the bytes were read; all entries that they complete carry it. `batch` is scratch.
  void feed(std::string_view data, UnixNanos time, LogBatch& batch, LogOutput& output);
  // Gives out what is held as P: at the end of the stream or of the process.
  void flush(UnixNanos time, LogBatch& batch, LogOutput& output);
  std::size_t held() const { return held_; }

 private:
  static constexpr std::size_t kPrefix = kTimeLength + sizeof " stdout F " - 1;
  void set_time(UnixNanos time);
  std::string_view prefix(char tag);

  Stream stream_;
  std::span<char> hold_;
  std::size_t held_ = 0;
  char whole_[kPrefix] = {};
  char piece_[kPrefix] = {};
};

}  // namespace slipway::monitor
