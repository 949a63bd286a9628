// Counting, tracing and firing fault points.
#include "base/fault.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "base/unique_fd.h"

namespace slipway::fault {

bool detail::is_armed = false;

namespace {

std::string& where() {
  static std::string directory;
  return directory;
}

// constinit: without a constructor to run, a thread that never looks at it pays nothing.
constinit thread_local Operation* current = nullptr;

std::string path_of(const char* name) {
  return where() + "/" + name;
}

std::string read_plan() {
  const UniqueFd fd(::open(path_of("plan").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return {};
  char text[256];
  const ssize_t n = ::read(fd.get(), text, sizeof text);
  return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
}

// One write: lines of several processes do not mix.
void trace(std::string_view line) {
  const UniqueFd fd(::open(path_of("trace").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd) (void)!::write(fd.get(), line.data(), line.size());
}

std::string_view next_word(std::string_view& rest) {
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\n')) rest.remove_prefix(1);
  const std::size_t end = std::min(rest.find_first_of(" \n"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

unsigned to_number(std::string_view word) {
  unsigned value = 0;
  (void)std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

// By pidfd, and for ourselves too: SIGKILL, as the kernel's OOM killer or an operator would.
void kill_process(int pid) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd) (void)::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
}

}  // namespace

void arm(std::string directory) {
  where() = std::move(directory);
  detail::is_armed = true;
  log::error("FAULTS ARE ARMED: steps fail and processes die as '{}/plan' says. This is a test, never a node", where());
}

const std::string& directory() {
  return where();
}

Operation::Operation(const char* name) : name_(name) {
  if (!armed() || current != nullptr) return;
  outermost_ = true;
  current = this;
  const std::string plan = read_plan();
  std::string_view rest = plan;
  if (next_word(rest) != name_) return;
  planned_ = to_number(next_word(rest));
  kills_ = next_word(rest) == "kill";
  victim_ = static_cast<int>(to_number(next_word(rest)));
}

Operation::~Operation() {
  if (!outermost_) return;
  moment("end");
  current = nullptr;
}

Result<void> detail::pass(std::string_view name, bool may_fail) {
  Operation* const at = current;
  if (at == nullptr) return {};
  ++at->passed_;
  trace(fmt::format("{} {} {} {}\n", at->name_, at->passed_, may_fail ? "fail,kill" : "kill", name));
  if (at->passed_ != at->planned_ || (!at->kills_ && !may_fail)) return {};
  (void)::unlink(path_of("plan").c_str());
  log::error("fault: {} {}: {}: {}", at->name_, at->passed_, name, at->kills_ ? "kill" : "fail");
  if (!at->kills_) return fail(Code::unavailable, "a fault was planned here: {} {}: {}", at->name_, at->passed_, name);
  kill_process(at->victim_ != 0 ? at->victim_ : ::getpid());
  return {};
}

}  // namespace slipway::fault
