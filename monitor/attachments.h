// Who reads a running container's output beside its log: pipes that never hold the container up.
//
// The rule: a reader gets what its pipe takes at once. What does not fit is lost for that reader, in order and without a mark; the log
// has it all. A reader that has closed its end is dropped. Owner: ContainerIo; the loop's thread.
#pragma once

#include <cstddef>
#include <list>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "monitor/log_format.h"
#include "monitor/loop.h"

namespace slipway::monitor {

class Attachments {
 public:
  static constexpr std::size_t kMax = 64;  // pipes a container

  explicit Attachments(Loop& loop) : loop_(loop) {}
  Attachments(const Attachments&) = delete;
  Attachments& operator=(const Attachments&) = delete;

  // The write end of a pipe, made non-blocking here. resource_exhausted when there are kMax already.
  Result<void> add(UniqueFd pipe, Stream stream);
  void write(Stream stream, std::string_view bytes);
  // The readers are told by EOF.
  void end() { all_.clear(); }
  std::size_t size() const { return all_.size(); }

 private:
  struct Attachment {
    UniqueFd pipe;
    Stream stream = Stream::out;
    Watch watch;  // only for EPOLLERR: the reader has gone
  };

  Loop& loop_;
  std::list<Attachment> all_;
};

}  // namespace slipway::monitor
