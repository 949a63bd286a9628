// A conversation with `criu swrk`: the program started for one request, its notifications answered, its log quoted when it fails.
//
//   slipway                                criu swrk 3
//     DUMP | RESTORE | SINGLE_PRE_DUMP ──▶    (SEQPACKET on descriptor 3)
//     ◀── NOTIFY name [pid] [descriptor]      criu waits
//     NOTIFY success                   ──▶    false: criu gives up and takes everything back
//     ◀── the answer, its errno and first error
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "runtime/criu/messages.h"
#include "sys/process.h"

namespace slipway::runtime::criu {

inline constexpr int kFirstInherited = 4;  // after the standard ones and the socket

// `asked`, or "criu" in PATH, as an absolute path; not_found names what was looked for.
Result<std::string> find_program(const std::string& asked);

struct Notification {
  std::string name;
  pid_t pid = 0;
  UniqueFd fd;
};

struct Asked {
  Kind kind = Kind::none;
  Options options;
  std::string log_path;         // where log_file is, for sentences
  int log_dir = -1;             // borrowed
  MonotonicNanos deadline = 0;  // then criu is left to itself: it takes back what it did at its next word, or is killed; 0: none
  std::function<Result<void>(Notification)> notified;
};

struct Start {
  std::string program;
  std::vector<int> inherited;      // borrowed; they are kFirstInherited, … in criu
  bool no_new_privileges = false;  // of criu, and so of all that it restores
  std::string keyring;             // the session's, for them; empty: ours
};

class Session {
 public:
  // criu is in the namespaces that the caller is in now.
  static Result<Session> start(const Start& start);
  pid_t pid() const { return child_.pid(); }
  // On success criu has ended and what it restored or left running runs. An error of `notified` is the error of the request.
  Result<Response> ask(const Asked& asked);

 private:
  Session(sys::Child child, UniqueFd socket, UniqueFd output)
      : child_(std::move(child)), socket_(std::move(socket)), output_(std::move(output)) {}
  Result<Response> converse(const Asked& asked);
  Error explain(const Asked& asked, const Error& error);

  sys::Child child_;
  UniqueFd socket_;
  UniqueFd output_;  // what criu prints before it has its log
};

// Of criu's log, what tells why: its first error, mostly the cause, and the last three, at most 2,000 bytes.
std::string quote_errors(std::string_view log);

}  // namespace slipway::runtime::criu
