// Runs a plugin with bounded patience and bounded memory.
#include "network/invoke.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/fault.h"
#include "base/text.h"
#include "network/json.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::network {
namespace {

// Plugins call iptables, ip, tc. Nothing else of the daemon's environment is theirs to see.
constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Only our end does not block: what the plugin writes to stays as it expects.
Result<sys::Pipe> make_output() {
  TRY_ASSIGN(sys::Pipe out, sys::make_pipe());
  TRY(sys::set_nonblocking(out.read));
  return out;
}

// One of the plugin's outputs while it is collected.
struct Output {
  UniqueFd fd;
  std::string text;

  // Takes what is there. False: more than allowed came.
  bool drain() {
    char buffer[16384];
    while (fd.valid()) {
      const ssize_t n = sys::retry_eintr([&] { return ::read(fd.get(), buffer, sizeof buffer); });
      if (n < 0) {
        if (errno != EAGAIN) fd.reset();
        return true;
      }
      if (n == 0) {
        fd.reset();
        return true;
      }
      if (text.size() + static_cast<std::size_t>(n) > kMaxPluginOutput) return false;
      text.append(buffer, static_cast<std::size_t>(n));
    }
    return true;
  }
};

struct Run {
  sys::Child child;
  Output out, err;
};

int milliseconds_left(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<long>(left, 0, 1'000'000'000));
}

Result<Run> start(const Invocation& call) {
  // Not a pipe: the plugin may read late, partly, twice or never, and nobody blocks.
  TRY_ASSIGN(const UniqueFd input, sys::memory_file("cni-config", call.config));
  TRY_ASSIGN(sys::Pipe out, make_output());
  TRY_ASSIGN(sys::Pipe err, make_output());
  sys::SpawnRequest request;
  request.program = call.program;
  request.argv = {call.program};
  request.env = {kPath,
                 "CNI_COMMAND=" + call.command,
                 "CNI_CONTAINERID=" + call.container_id,
                 "CNI_NETNS=" + call.netns,
                 "CNI_IFNAME=" + call.if_name,
                 "CNI_ARGS=" + call.args,
                 "CNI_PATH=" + call.path};
  request.stdio[0] = input.get();
  request.stdio[1] = out.write.get();
  request.stdio[2] = err.write.get();
  request.cwd.assign(1, '/');  // g++ 12 sees an overlap in assigning a literal here (PR 105651)
  if (call.keep >= 0) request.extra = {call.keep};
  request.own_group = true;
  TRY_ASSIGN(sys::Child child, sys::spawn(request));
  return Run{std::move(child), {std::move(out.read), {}}, {std::move(err.read), {}}};
}

// Until the plugin itself has ended: a process that it left behind with its pipes open does not make us wait.
Result<void> collect(Run& run, Deadline deadline) {
  for (;;) {
    pollfd fds[] = {{run.child.pidfd().get(), POLLIN, 0}, {run.out.fd.get(), POLLIN, 0}, {run.err.fd.get(), POLLIN, 0}};
    const int n = sys::retry_eintr([&] { return ::poll(fds, 3, milliseconds_left(deadline)); });
    if (n < 0) return fail_errno(errno, "poll");
    if (n == 0) return fail(Code::deadline_exceeded, "did not end in time");
    if (!run.out.drain() || !run.err.drain()) return fail(Code::resource_exhausted, "wrote more than {} bytes", kMaxPluginOutput);
    if (fds[0].revents != 0) return {};
  }
}

// Section 5, "Error": what the well-known codes mean to our caller.
Code code_of(long cni_code) {
  switch (cni_code) {
    case 1:  // incompatible CNI version
    case 2:  // unsupported field
    case 6:  // failed to decode content
    case 7:  // invalid network config
      return Code::failed_precondition;
    case 11: return Code::unavailable;  // try again later
    default: return Code::internal;
  }
}

Error plugin_error(const Run& run, const sys::ExitStatus& status) {
  const std::string end = status.signal != 0 ? fmt::format("killed by signal {}", status.signal) : fmt::format("exit {}", status.code);
  Result<Json> parsed = parse_object(run.out.text, "error");
  if (parsed.ok()) {
    const Json& object = parsed.value();
    const auto code = object.find("code");
    if (code != object.end() && code->is_number_integer()) {
      const long number = code->get<long>();
      const std::string details = string_member(object, "details");
      return fail(code_of(number), "code {}: {}{}{}", number, excerpt(string_member(object, "msg")), details.empty() ? "" : "; ",
                  excerpt(details));
    }
  }
  const std::string& said = run.err.text.empty() ? run.out.text : run.err.text;
  if (said.empty()) return fail(Code::internal, "{}, without a word", end);
  return fail(Code::internal, "{}, without a CNI error: {}", end, excerpt(said));
}

Result<std::string> run_plugin(const Invocation& call, Deadline deadline) {
  TRY_ASSIGN(Run run, start(call));
  Result<void> collected = collect(run, deadline);
  if (!collected.ok()) {
    // With what it delegated to: an IPAM plugin that goes on alone would take an address after our DEL.
    (void)run.child.kill_group();
    return std::move(collected).error();
  }
  TRY_ASSIGN(const sys::ExitStatus status, run.child.wait());
  if (status.code != 0) return plugin_error(run, status);
  TRY(fault::point("a plugin's answer"));
  return std::move(run.out.text);
}

}  // namespace

Result<std::string> find_plugin(const std::string& type, const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    std::string path = directory + "/" + type;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return fail(Code::not_found, "CNI plugin '{}' is not in {}", type, join(directories, ", "));
}

Result<std::string> invoke(const Invocation& call, Deadline deadline) {
  return run_plugin(call, deadline).context("CNI plugin '{}' {}", call.plugin, call.command);
}

}  // namespace slipway::network
