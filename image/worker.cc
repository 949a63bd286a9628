// The driver of slipway-image.
#include "image/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <optional>

#include "base/fault.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::image {
namespace {

struct Conversation {
  const engine::OnProgress& on_progress;
  std::string pending;
  std::optional<Result<Outcome>> answer;

  Result<void> take(std::string_view bytes) {
    pending += bytes;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      auto parsed = parse_line(std::string_view(pending).substr(begin, end - begin));
      if (!parsed.ok()) return fail(Code::internal, "slipway-image talks nonsense: {}", parsed.error().message);
      Line line = std::move(parsed).take();
      if (const auto* progress = std::get_if<engine::Progress>(&line)) {
        if (on_progress) on_progress(*progress);
      } else if (auto* outcome = std::get_if<Outcome>(&line)) {
        answer.emplace(std::move(*outcome));
      } else {
        answer.emplace(std::get<Error>(std::move(line)));
      }
    }
    pending.erase(0, begin);
    if (pending.size() > kMaxLine) return fail(Code::internal, "slipway-image: a line longer than {} bytes", kMaxLine);
    return {};
  }
};

// In memory: credentials never lie in a file.
Result<UniqueFd> request_file(const Request& request) {
  const std::string text = write_request(request);
  if (text.size() > kMaxRequest) return fail(Code::invalid_argument, "a request of more than {} bytes", kMaxRequest);
  return sys::memory_file("slipway-image", text);
}

Result<void> listen(FdRef out, WorkerStops stops, Conversation& conversation) {
  std::string buffer(64 << 10, '\0');
  for (;;) {
    pollfd waits[3] = {{out.get(), POLLIN, 0}, {stops.store.get(), POLLIN, 0}, {stops.caller.get(), POLLIN, 0}};
    if (sys::retry_eintr([&] { return ::poll(waits, 3, -1); }) < 0) return fail_errno(errno, "wait for slipway-image");
    if (waits[1].revents != 0) return fail(Code::cancelled, "slipwayd is stopping");
    if (waits[2].revents != 0) return fail(Code::cancelled, "nobody waits for it any more");
    const ssize_t n = sys::retry_eintr([&] { return ::read(out.get(), buffer.data(), buffer.size()); });
    if (n < 0) return fail_errno(errno, "listen to slipway-image");
    if (n == 0) return {};
    TRY(conversation.take({buffer.data(), static_cast<std::size_t>(n)}));
  }
}

}  // namespace

Result<Outcome> run_worker(const WorkerProgram& program, const Request& request, const engine::OnProgress& on_progress, WorkerStops stops) {
  TRY_ASSIGN(const UniqueFd in, request_file(request));
  TRY_ASSIGN(sys::Pipe out, sys::make_pipe());
  sys::SpawnRequest spawn;
  spawn.program = program.path;
  spawn.argv = {"slipway-image", "serve"};
  spawn.env = program.environment;
  if (fault::armed()) spawn.env.push_back("SLIPWAY_FAULTS=" + fault::directory());
  spawn.stdio[0] = in.get();
  spawn.stdio[1] = out.write.get();
  spawn.stdio[2] = STDERR_FILENO;
  spawn.cwd = std::string("/");  // g++ 12 takes a literal of one character for an overlap
  TRY_ASSIGN(sys::Child child, sys::spawn(spawn).context("start {}", program.path));
  out.write.reset();
  Conversation conversation{on_progress, {}, std::nullopt};
  TRY(listen(out.read, stops, conversation));  // on an error the Child kills the worker
  TRY_ASSIGN(const sys::ExitStatus status, child.wait());
  TRY(fault::point("slipway-image's answer"));
  if (conversation.answer) return *std::move(conversation.answer);
  if (status.signal != 0) return fail(Code::internal, "slipway-image ended by signal {} without an answer", status.signal);
  return fail(Code::internal, "slipway-image ended with status {} without an answer", status.code);
}

}  // namespace slipway::image
