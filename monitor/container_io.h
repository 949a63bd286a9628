// A container's stdin, stdout and stderr as the monitor holds them: pipes or a pty's master, read into the log.
//
// Reading never waits for anybody but the log file. Reads are at most 32 KiB into one buffer that all containers share; each
// stream holds up to 16 KiB of an unfinished line in pages that are touched only when there is one. Owner: the container.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "monitor/log_file.h"
#include "monitor/log_format.h"
#include "monitor/loop.h"

namespace slipway::monitor {

// The container's ends, to be closed by the monitor once the runner has been forked. Not valid = /dev/null.
struct ContainerEnds {
  UniqueFd in, out, err;
};

class ContainerIo {
 public:
  static constexpr std::size_t kDrainLimit = 256 * 1024;  // bytes a stream that are still read before an exit is told

  explicit ContainerIo(Loop& loop) : loop_(loop) {}
  ContainerIo(const ContainerIo&) = delete;
  ContainerIo& operator=(const ContainerIo&) = delete;
  ~ContainerIo();

  // `log_path` empty: output is read and dropped.
  Result<void> open_log(const std::string& log_path);
  // Without a terminal: makes the pipes and begins to read.
  Result<ContainerEnds> make_pipes(bool want_stdin);
  // With a terminal: everything it says is stdout.
  Result<void> take_console(UniqueFd master);

  // The process has exited: reads what is there, at most kDrainLimit a stream, and flushes unfinished lines. Whoever else holds a
  // pipe's end (a grandchild) is read on afterwards.
  void drain();
  Result<void> reopen_log() { return log_.reopen(); }
  Result<void> close_stdin();
  Result<void> resize(unsigned width, unsigned height);
  bool open() const { return out_.fd.valid() || err_.fd.valid(); }

 private:
  struct Source {
    UniqueFd fd;
    Watch watch;
    std::optional<LogFormatter> formatter;
  };
  enum class Read { some, empty, end };

  Result<void> make_hold();
  Result<void> begin(Source& source, UniqueFd fd, Stream stream);
  Read read_once(Source& source, std::size_t& count);
  void on_ready(Source& source);
  void drain(Source& source);

  Loop& loop_;
  LogFile log_;
  UniqueFd stdin_;
  Source out_;  // before hold_ goes, the formatters are done: ~ContainerIo unmaps
  Source err_;
  bool console_ = false;
  char* hold_ = nullptr;  // 2 × kMaxLine, mmap
};

}  // namespace slipway::monitor
