// logs, and the output that `run` shows.
#include <unistd.h>

#include <algorithm>

#include "cli/container_log.h"
#include "cli/targets.h"
#include "cli/verbs.h"

namespace slipway::cli {
namespace {

constexpr int kShortestWait = 5, kLongestWait = 200;  // milliseconds between two looks at a container's state

class Printer {
 public:
  Printer(const Style& style, bool timestamps) : json_(style.json), timestamps_(timestamps) {}

  Result<void> operator()(const LogLine& line) {
    const int fd = line.is_stderr && !json_ ? STDERR_FILENO : STDOUT_FILENO;
    if (json_)
      return print(to_json({{"time", std::string(line.time)},
                            {"stream", line.is_stderr ? "stderr" : "stdout"},
                            {"tag", line.partial ? "P" : "F"},
                            {"log", std::string(line.content)}}) +
                   "\n");
    bool& middle = middle_[line.is_stderr ? 1 : 0];
    std::string text;
    if (timestamps_ && !middle) text = std::string(line.time) + " ";
    text += line.content;
    if (!line.partial) text += '\n';
    middle = line.partial;
    return print_to(fd, text);
  }

 private:
  bool json_, timestamps_;
  bool middle_[2] = {false, false};  // of a line, by stream
};

// Until the container has exited or is gone; then what it wrote last. Its status, as far as it is known.
Result<v1::ContainerStatus> follow(Session& session, LogReader& reader, Printer& printer, v1::ContainerStatus status,
                                   const volatile std::sig_atomic_t& stop) {
  bool stopped = false;
  for (int wait = kShortestWait;;) {
    const bool ended = status.state() == v1::CONTAINER_EXITED || status.state() == v1::CONTAINER_UNKNOWN;
    TRY_ASSIGN(const bool any, reader.read([&](const LogLine& line) { return printer(line); }));
    if (ended) return status;
    if (stop && !stopped) {
      stopped = true;
      TRY(session.client.stop_container(status.id(), std::chrono::seconds(10)));
    }
    wait = any || stopped ? kShortestWait : std::min(kLongestWait, wait * 2);
    reader.wait(wait);
    auto next = session.client.container_status(status.id());
    if (!next.ok() && next.error().code == Code::not_found) {
      status.set_state(v1::CONTAINER_UNKNOWN);  // removed by somebody: what is in the file is all there is
      continue;
    }
    if (!next.ok()) return std::move(next).error();
    status = next.value().status();
  }
}

}  // namespace

Result<int> logs(Session& session, const LogsOptions& options) {
  TRY_ASSIGN(const Target target, container_of(session.client, options.name));
  TRY_ASSIGN(const auto status, session.client.container_status(target.id));
  if (status.status().log_path().empty()) return fail(Code::failed_precondition, "container '{}' was made without a log", options.name);
  TRY_ASSIGN(LogReader reader, LogReader::open(status.status().log_path()));
  if (options.tail >= 0) TRY(reader.seek_tail(static_cast<std::size_t>(options.tail)));
  Printer printer(session.style, options.timestamps);
  if (options.follow) {
    const volatile std::sig_atomic_t never = 0;
    TRY(follow(session, reader, printer, status.status(), never));
    return 0;
  }
  TRY(reader.read([&](const LogLine& line) { return printer(line); }));
  return 0;
}

Result<int> follow_to_exit(Session& session, const std::string& container_id, const volatile std::sig_atomic_t& stop) {
  TRY_ASSIGN(const auto status, session.client.container_status(container_id));
  TRY_ASSIGN(LogReader reader, LogReader::open(status.status().log_path()));
  Printer printer(session.style, false);
  TRY_ASSIGN(const auto last, follow(session, reader, printer, status.status(), stop));
  if (last.state() != v1::CONTAINER_EXITED) return fail(Code::aborted, "the container was removed before its exit code was known");
  if (last.reason() == "OOMKilled")
    TRY(print_to(STDERR_FILENO, fmt::format("slipctl: OOMKilled{}{}\n", last.message().empty() ? "" : ": ", printable(last.message()))));
  return last.exit_code();
}

}  // namespace slipway::cli
