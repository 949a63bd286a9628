// What came with our own exec, counted and looked at.
#include "runtime/command/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <charconv>

namespace slipway::runtime::command {
namespace {

constexpr int kMost = 1024;

// Everything that slipway opens is close-on-exec, and nothing that survived our exec is.
Result<void> check_open(int first, int count, std::string_view who) {
  for (int fd = first; fd < first + count; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) return fail(Code::invalid_argument, "{}: descriptor {} is not open", who, fd);
  }
  return {};
}

bool parse_number(const char* text, int& out) {
  if (text == nullptr) return false;
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), out);
  return !view.empty() && error == std::errc{} && end == view.data() + view.size();
}

// Sockets that are meant for another process are not ours to hand on.
Result<int> activated() {
  int pid = 0;
  int count = 0;
  if (!parse_number(::getenv("LISTEN_PID"), pid) || pid != ::getpid()) return 0;
  if (!parse_number(::getenv("LISTEN_FDS"), count) || count < 0 || count > kMost)
    return fail(Code::invalid_argument, "LISTEN_FDS: '{}' is not a number from 0 to {}", ::getenv("LISTEN_FDS") ?: "", kMost);
  return count;
}

}  // namespace

Result<Inherited> inherited_descriptors(const Arguments& arguments) {
  Inherited out;
  TRY_ASSIGN(const int sockets, activated());
  TRY_ASSIGN(const int preserved, arguments.number("preserve-fds", 0, 0, kMost));
  TRY(check_open(3, sockets, "LISTEN_FDS"));
  TRY(check_open(3 + sockets, preserved, "--preserve-fds"));
  out.descriptors = sockets + preserved;
  if (sockets == 0) return out;
  out.env = {fmt::format("LISTEN_FDS={}", sockets), "LISTEN_PID=1"};
  if (const char* names = ::getenv("LISTEN_FDNAMES")) out.env.push_back(std::string("LISTEN_FDNAMES=") + names);
  return out;
}

}  // namespace slipway::runtime::command
