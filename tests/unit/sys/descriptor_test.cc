// Descriptors without a path: what is in them, and that none is inherited.
#include "sys/descriptor.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "sys/file.h"

using namespace slipway;

namespace {
bool closes_on_exec(FdRef fd) {
  return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}
}  // namespace

TEST_CASE("a memory file is read from its beginning", "[sys]") {
  auto file = sys::memory_file("text", "one\ntwo");
  REQUIRE(file.ok());
  CHECK(closes_on_exec(file.value()));
  char bytes[16];
  REQUIRE(::read(file.value().get(), bytes, sizeof bytes) == 7);
  CHECK(std::string_view(bytes, 7) == "one\ntwo");
}

TEST_CASE("a memory file may be empty", "[sys]") {
  auto file = sys::memory_file("empty", "");
  REQUIRE(file.ok());
  char byte = 0;
  CHECK(::read(file.value().get(), &byte, 1) == 0);
}

TEST_CASE("a pipe blocks until it is told not to, one end at a time", "[sys]") {
  auto pipe = sys::make_pipe();
  REQUIRE(pipe.ok());
  const auto& [read, write] = pipe.value();
  CHECK(closes_on_exec(read));
  CHECK(closes_on_exec(write));
  CHECK((::fcntl(read.get(), F_GETFL) & O_NONBLOCK) == 0);
  REQUIRE(sys::set_nonblocking(read).ok());
  char byte = 0;
  CHECK(::read(read.get(), &byte, 1) == -1);
  CHECK(errno == EAGAIN);
  CHECK((::fcntl(write.get(), F_GETFL) & O_NONBLOCK) == 0);
  CHECK_FALSE(sys::set_nonblocking(FdRef(-1)).ok());
}

TEST_CASE("a copy never takes the place of a standard descriptor", "[sys]") {
  const UniqueFd saved(::fcntl(0, F_DUPFD_CLOEXEC, 3));
  REQUIRE(saved.valid());
  ::close(0);
  auto copy = sys::copy_fd(saved);
  ::dup2(saved.get(), 0);
  REQUIRE(copy.ok());
  CHECK(copy.value().get() >= 3);
  CHECK(closes_on_exec(copy.value()));
  CHECK_FALSE(sys::copy_fd(FdRef(-1)).ok());
}
