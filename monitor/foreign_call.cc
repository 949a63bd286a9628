// The clone that becomes another runtime's program.
#include "monitor/foreign_call.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/text.h"
#include "oci/json.h"
#include "runtime/fresh_program.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::monitor {
namespace {

constexpr std::size_t kLogLimit = 1U << 20;
constexpr std::size_t kMessageLimit = 1024;
constexpr int kNotExecuted = 127;

// Nothing of slipwayd's environment; hooks and D-Bus need no more.
constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string name_of(const std::string& binary) {
  return binary.substr(binary.rfind('/') + 1);
}

// In the order of 0, 1, 2. A source may be one of those numbers itself: all are lifted before one is put down.
void put_stdio(const runtime::Stdio& stdio) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  int from[3] = {stdio.in, stdio.out, stdio.err};
  for (int& fd : from) fd = ::fcntl(fd < 0 ? null : fd, F_DUPFD_CLOEXEC, 3);
  for (int i = 0; i < 3; ++i)
    if (from[i] < 0 || ::dup2(from[i], i) < 0) ::_exit(kNotExecuted);
}

[[noreturn]] void become(pid_t caller, char* const* argv, char* const* env, const runtime::Stdio& stdio, int log) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != caller) ::_exit(kNotExecuted);
  (void)::setpgid(0, 0);
  put_stdio(stdio);
  runtime::execute_afresh(3, argv[0], argv, env);
  const std::string why = errno_error(errno, "execute it").message;
  (void)!::write(log, why.data(), why.size());
  ::_exit(kNotExecuted);
}

Result<sys::ExitStatus> wait_for(sys::Child child, MonotonicNanos patience) {
  TRY_ASSIGN(const auto status, child.wait_for(static_cast<int>(patience / 1'000'000)));
  if (status) return *status;
  (void)child.kill_group();
  return fail(Code::deadline_exceeded, "it did not end in {} s and was killed", patience / 1'000'000'000);
}

Error describe(const sys::ExitStatus& status, FdRef log) {
  if (status.signal != 0) return fail(Code::internal, "it was killed by signal {}", status.signal);
  (void)::lseek(log.get(), 0, SEEK_SET);
  auto text = sys::read_fd(log, kLogLimit);
  std::string said = text.ok() ? last_error(text.value()) : text.error().message;
  if (said.empty() && text.ok()) said = text.value().substr(0, kMessageLimit);
  if (said.empty()) return fail(Code::internal, "it ended with status {} and no word of why", status.code);
  return fail(Code::internal, "{}", said);
}

}  // namespace

std::string last_error(std::string_view log) {
  std::string found;
  while (!log.empty()) {
    const std::string_view line = cut(log, '\n');
    const auto parsed = oci::json::Document::parse(line, {.bytes = kLogLimit, .depth = 8, .nodes = 64, .strings = oci::json::Bytes::utf8});
    if (!parsed.ok()) continue;
    const oci::json::Document& document = parsed.value();
    std::string_view level, message;
    for (const auto* n = document.first_child(document.root()); n != nullptr; n = document.next(*n)) {
      if (n->kind == oci::json::Kind::string && n->key == "level") level = n->text;
      if (n->kind == oci::json::Kind::string && n->key == "msg") message = n->text;
    }
    if (level == "error" || level == "fatal" || level == "panic") found = message.substr(0, kMessageLimit);
  }
  return found;
}

Result<void> call_runtime(const OciRuntime& runtime, const std::vector<std::string>& arguments, const runtime::Stdio& stdio,
                          MonotonicNanos patience) {
  TRY_ASSIGN(const UniqueFd log, sys::memory_file("runtime-log", ""));
  std::vector<std::string> words = {
      runtime.binary(), "--root", runtime.root(), "--log", fmt::format("/proc/{}/fd/{}", ::getpid(), log.get()), "--log-format", "json"};
  if (runtime.systemd_cgroup()) words.emplace_back("--systemd-cgroup");
  words.insert(words.end(), arguments.begin(), arguments.end());
  const std::vector<std::string> environment = {kPath};
  const std::vector<char*> argv = sys::exec_vector(words), env = sys::exec_vector(environment);
  const pid_t caller = ::getpid();
  TRY_ASSIGN(runtime::Cloned cloned, runtime::clone_with_pidfd().context("'{}'", runtime.binary()));
  if (cloned.pid == 0) become(caller, argv.data(), env.data(), stdio, log.get());
  const std::string what = fmt::format("{} {}", name_of(runtime.binary()), arguments.front());
  auto status = wait_for(sys::Child(cloned.pid, std::move(cloned.pidfd)), patience);
  if (!status.ok()) return std::move(status).error().within("{}", what);
  if (status.value().code != 0) return describe(status.value(), log).within("{}", what);
  return {};
}

}  // namespace slipway::monitor
