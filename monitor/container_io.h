// A container's stdin, stdout and stderr as the monitor holds them: pipes or a pty's master, read into the log.
//
// Reading waits for the log at most kPatience: then what comes is dropped and counted until the log takes it again (log_queue.h). Reads are
// at most 32 KiB into one buffer that all containers share; each
// stream holds up to 16 KiB of an unfinished line in pages that are touched only when there is one. Owner: the container.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "monitor/attachments.h"
#include "monitor/log_format.h"
#include "monitor/log_queue.h"
#include "monitor/loop.h"

namespace slipway::monitor {

// The container's ends, to be closed by the monitor once the runner has been forked. Not valid = /dev/null.
struct ContainerEnds {
  UniqueFd in, out, err;
};

class ContainerIo {
 public:
  static constexpr MonotonicNanos kPatience = 80'000'000;            // a container that writes shall never wait 100 ms
  static constexpr MonotonicNanos kLongestPatience = 1'000'000'000;  // with a writer that gets no processor
  static constexpr std::size_t kDrainLimit = 256 * 1024;             // bytes a stream that are still read before an exit is told

  explicit ContainerIo(Loop& loop) : loop_(loop), attached_(loop) {}
  ContainerIo(const ContainerIo&) = delete;
  ContainerIo& operator=(const ContainerIo&) = delete;
  ~ContainerIo();

  // `log_path` empty: output is read and dropped.
  Result<void> open_log(LogWriter& writer, const std::string& log_path);
  // Without a terminal: makes the pipes and begins to read. `stdin_once`: the first that attaches to stdin gets it for good.
  Result<ContainerEnds> make_pipes(bool want_stdin, bool stdin_once = false);
  // With a terminal: everything it says is stdout.
  Result<void> take_console(UniqueFd master);

  // The process has exited: reads what is there, at most kDrainLimit a stream, and flushes unfinished lines. Whoever else holds a
  // pipe's end (a grandchild) is read on afterwards.
  void drain();
  // True when there is nothing left to read of what was there at the exit, and all of it is in the file.
  bool told() const { return drained_ && log_.written(); }
  LogQueue& log() { return log_; }
  // From the loop: the log writer has moved, or the time of `deadline` has come.
  void go_on(MonotonicNanos now);
  MonotonicNanos deadline() const { return look_again_at_; }  // 0 = none
  Result<void> close_stdin();
  Result<void> resize(unsigned width, unsigned height);

  // Copies of the output from now on, see Attachments. Not valid = not wanted.
  Result<void> attach(UniqueFd out, UniqueFd err);
  // What to write input to: a copy of the terminal's master, of stdin's pipe, or (stdin_once) that pipe's only end, which the container
  // sees closed when the taker closes it. Not valid: there is no stdin (any more).
  Result<UniqueFd> lend_input();
  bool console() const { return console_; }
  // The container has exited: who is attached is told by EOF.
  void end_attachments() { attached_.end(); }
  bool open() const { return out_.fd.valid() || err_.fd.valid(); }

 private:
  struct Source {
    UniqueFd fd;
    Watch watch;
    Stream stream = Stream::out;
    std::optional<LogFormatter> formatter;
    std::size_t drained = 0;
  };
  enum class Read { some, empty, end, full };

  Result<void> make_hold();
  Result<void> begin(Source& source, UniqueFd fd, Stream stream);
  Read read_once(Source& source, std::size_t& count);
  void on_ready(Source& source);
  bool drain(Source& source);
  std::size_t read_size() const;
  void pause();
  void resume();

  Loop& loop_;
  LogQueue log_;
  MonotonicNanos paused_at_ = 0, look_again_at_ = 0;
  bool draining_ = false, drained_ = false;
  UniqueFd stdin_;
  bool stdin_once_ = false;
  Attachments attached_;
  Source out_;  // before hold_ goes, the formatters are done: ~ContainerIo unmaps
  Source err_;
  bool console_ = false;
  char* hold_ = nullptr;  // 2 × kMaxLine, mmap
};

}  // namespace slipway::monitor
