// What came with our own exec, counted and looked at.
#include "runtime/command/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

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

std::string_view variable(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

// Sockets that are meant for another process are not ours to hand on.
Result<int> activated() {
  const auto meant = to_number<int>(variable("LISTEN_PID"));
  if (!meant || *meant != ::getpid()) return 0;
  const std::string_view asked = variable("LISTEN_FDS");
  const auto count = to_number<int>(asked);
  if (!count || *count < 0 || *count > kMost)
    return fail(Code::invalid_argument, "LISTEN_FDS: '{}' is not a number from 0 to {}", asked, kMost);
  return *count;
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
