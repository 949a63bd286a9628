// A process's standard streams in slipwayd's hands, for as long as a client follows it.
//
// Owner: the client's session in streaming/. Destroying it ends what was started for that client alone (an exec's process); that may wait
// for the monitor, so never on a thread that must not wait.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::engine {

struct StreamSpec {
  std::vector<std::string> command;  // of an exec
  bool tty = false;
  bool in = false, out = false, err = false;
};

class ProcessStreams {
 public:
  virtual ~ProcessStreams() = default;
  ProcessStreams(const ProcessStreams&) = delete;
  ProcessStreams& operator=(const ProcessStreams&) = delete;

  // Non-blocking; not valid: there is none. Each may be taken and closed by itself.
  UniqueFd in;        // to write to
  UniqueFd out, err;  // to read from; with a terminal all of it is `out`
  UniqueFd terminal;  // for its size

  // Readable once the process has ended; -1 where the end of `out` and `err` is all that is to be seen.
  virtual FdRef ended() const = 0;
  // Only then. unavailable: the pod's monitor went away first.
  virtual Result<std::int32_t> exit_code() const = 0;

 protected:
  ProcessStreams() = default;
};

}  // namespace slipway::engine
