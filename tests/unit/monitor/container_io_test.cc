// A container's output through the loop into its log.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <memory>

#include "monitor/container_io.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::monitor;
using slipway::test::TempDir;

namespace {

struct Harness {
  Harness()
      : loop(Loop::open().take()),
        writer(loop, [this] { io->go_on(now_monotonic()); }),
        io(std::make_unique<ContainerIo>(loop)),
        path(dir.path + "/0.log") {
    REQUIRE(io->open_log(writer, path).ok());
  }
  // Everything that is ready now.
  void turn() {
    for (;;) {
      const auto event = loop.step(1);  // a deadline in the past: does not wait
      REQUIRE(event.ok());
      if (!event.value()) return;
    }
  }
  // One event, waited for.
  void wait() {
    const auto event = loop.step(now_monotonic() + 10'000'000'000);
    REQUIRE(event.ok());
    REQUIRE(event.value());
  }
  // The log's lines without their times, once the writer has written what there is.
  std::string lines() {
    for (int i = 0; i < 2000 && !(io->log().written() && (!drained || io->told())); ++i) {
      io->log().want_progress();
      REQUIRE(loop.step(now_monotonic() + 5'000'000).ok());
      io->go_on(now_monotonic());
    }
    REQUIRE(io->log().written());
    std::ifstream in(path);
    std::string out;
    for (std::string line; std::getline(in, line);) out += line.substr(kTimeLength + 1) + "\n";
    return out;
  }
  // As at the container's exit.
  void drain() {
    drained = true;
    io->drain();
  }
  bool drained = false;
  TempDir dir;
  Loop loop;
  LogWriter writer;
  std::unique_ptr<ContainerIo> io;
  std::string path;
};

// A pipe whose read end is a test's.
struct Tube {
  Tube() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
  std::string read_all() const {
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(read.get(), buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }
  bool ended() const {
    char byte = 0;
    return ::read(read.get(), &byte, 1) == 0;
  }
  UniqueFd read, write;
};

void put(const UniqueFd& fd, std::string_view text) {
  REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

}  // namespace

TEST_CASE("both streams go into one file as they come", "[monitor]") {
  Harness h;
  auto ends = h.io->make_pipes(false);
  REQUIRE(ends.ok());
  CHECK_FALSE(ends.value().in.valid());
  put(ends.value().out, "one\n");
  h.turn();
  put(ends.value().err, "two\nthr");
  h.turn();
  put(ends.value().out, "three\n");
  h.turn();
  CHECK(h.lines() == "stdout F one\nstderr F two\nstdout F three\n");
  ends.value().err.reset();
  h.turn();
  CHECK(h.lines() == "stdout F one\nstderr F two\nstdout F three\nstderr P thr\n");
  CHECK(h.io->open());
  ends.value().out.reset();
  h.turn();
  CHECK_FALSE(h.io->open());
}

TEST_CASE("who is attached gets copies, and its end at the container's", "[monitor]") {
  Harness h;
  auto ends = h.io->make_pipes(true);
  REQUIRE(ends.ok());
  put(ends.value().out, "before\n");
  h.turn();
  Tube out, err;
  REQUIRE(h.io->attach(std::move(out.write), std::move(err.write)).ok());
  put(ends.value().out, "one\n");
  put(ends.value().err, "two\n");
  h.turn();
  CHECK(out.read_all() == "one\n");
  CHECK(err.read_all() == "two\n");
  CHECK(h.lines() == "stdout F before\nstdout F one\nstderr F two\n");
  h.io->end_attachments();
  CHECK(out.ended());
  CHECK(err.ended());
  put(ends.value().out, "after\n");
  h.turn();
  CHECK(h.lines() == "stdout F before\nstdout F one\nstderr F two\nstdout F after\n");
}

TEST_CASE("an attached reader that does not read loses output, the log does not", "[monitor]") {
  Harness h;
  auto ends = h.io->make_pipes(false);
  REQUIRE(ends.ok());
  (void)::signal(SIGPIPE, SIG_IGN);  // as the monitor does
  Tube slow, gone;
  REQUIRE(h.io->attach(std::move(slow.write), UniqueFd()).ok());
  REQUIRE(h.io->attach(std::move(gone.write), UniqueFd()).ok());
  gone.read.reset();
  const std::string line(999, 'x');
  for (int i = 0; i < 200; ++i) {
    put(ends.value().out, line + "\n");
    h.turn();
  }
  const std::string lines = h.lines();
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 200);
  const std::string got = slow.read_all();
  CHECK(got.size() > 32'000);
  CHECK(got.size() < 200'000);
}

TEST_CASE("stdin is lent, with stdin_once it is given away", "[monitor]") {
  Harness h;
  auto ends = h.io->make_pipes(true);
  REQUIRE(ends.ok());
  {
    auto first = h.io->lend_input();
    REQUIRE(first.ok());
    put(first.value(), "one");
  }
  auto second = h.io->lend_input();
  REQUIRE(second.ok());
  put(second.value(), "two");
  char buffer[16];
  CHECK(::read(ends.value().in.get(), buffer, sizeof buffer) == 6);

  Harness once;
  auto once_ends = once.io->make_pipes(true, true);
  REQUIRE(once_ends.ok());
  {
    auto taken = once.io->lend_input();
    REQUIRE(taken.ok());
    put(taken.value(), "all");
  }
  CHECK(::read(once_ends.value().in.get(), buffer, sizeof buffer) == 3);
  CHECK(::read(once_ends.value().in.get(), buffer, sizeof buffer) == 0);  // its only end is closed
  auto none = once.io->lend_input();
  REQUIRE(none.ok());
  CHECK_FALSE(none.value().valid());
}

TEST_CASE("a grandchild that keeps the pipe delays nothing and loses nothing", "[monitor]") {
  Harness h;
  auto ends = h.io->make_pipes(false);
  REQUIRE(ends.ok());
  put(ends.value().out, "last words\nand a half");
  h.drain();  // as at the exit: the write end is still open
  CHECK(h.lines() == "stdout F last words\nstdout P and a half\n");
  put(ends.value().out, " line\n");
  h.turn();
  CHECK(h.lines() == "stdout F last words\nstdout P and a half\nstdout F  line\n");
}

TEST_CASE("a drain of an endless writer ends", "[monitor]") {
  Harness h;
  auto ends = h.io->make_pipes(false);
  REQUIRE(ends.ok());
  const int out = ends.value().out.get();
  REQUIRE(::fcntl(out, F_SETPIPE_SZ, 1 << 20) > 0);
  REQUIRE(::fcntl(out, F_SETFL, O_NONBLOCK) == 0);
  const std::string block(4096, '\n');
  std::size_t written = 0;
  for (ssize_t n = 0; (n = ::write(out, block.data(), block.size())) > 0;) written += static_cast<std::size_t>(n);
  REQUIRE(written > ContainerIo::kDrainLimit);
  h.drain();
  const std::string lines = h.lines();
  CHECK(static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n')) >= ContainerIo::kDrainLimit);
  CHECK(h.io->told());
}

TEST_CASE("stdin is closed on request", "[monitor]") {
  Harness h;
  auto ends = h.io->make_pipes(true);
  REQUIRE(ends.ok());
  REQUIRE(ends.value().in.valid());
  REQUIRE(::fcntl(ends.value().in.get(), F_SETFL, O_NONBLOCK) == 0);
  char byte = 0;
  CHECK(::read(ends.value().in.get(), &byte, 1) == -1);
  REQUIRE(h.io->close_stdin().ok());
  CHECK(::read(ends.value().in.get(), &byte, 1) == 0);
}

TEST_CASE("a terminal's output is stdout, its size can be set", "[monitor]") {
  Harness h;
  UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(master.valid());
  REQUIRE(::grantpt(master.get()) == 0);
  REQUIRE(::unlockpt(master.get()) == 0);
  UniqueFd tty(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(tty.valid());
  const Result<void> taken = h.io->take_console(std::move(master));
  REQUIRE(taken.ok());
  put(tty, "hello\n");
  h.wait();  // the kernel hands a pty's bytes over from a work queue
  CHECK(h.lines() == "stdout F hello\r\n");
  REQUIRE(h.io->resize(132, 43).ok());
  winsize size{};
  REQUIRE(::ioctl(tty.get(), TIOCGWINSZ, &size) == 0);
  CHECK(size.ws_col == 132);
  CHECK(size.ws_row == 43);
  CHECK(h.io->resize(70000, 1).error().code == Code::invalid_argument);
  CHECK(h.io->close_stdin().error().code == Code::failed_precondition);
  put(tty, "bye\n");
  tty.reset();
  h.drain();
  CHECK(h.lines() == "stdout F hello\r\nstdout F bye\r\n");
  for (int i = 0; i < 2000 && h.io->open(); ++i) REQUIRE(h.loop.step(now_monotonic() + 5'000'000).ok());
  CHECK_FALSE(h.io->open());
}

TEST_CASE("a container without a log is read all the same", "[monitor]") {
  auto loop = Loop::open();
  REQUIRE(loop.ok());
  LogWriter writer(loop.value(), [] {});
  ContainerIo io(loop.value());
  REQUIRE(io.open_log(writer, "").ok());
  CHECK(writer.pid() == 0);
  auto ends = io.make_pipes(false);
  REQUIRE(ends.ok());
  put(ends.value().out, "x\n");
  CHECK(loop.value().step(1).value());
  int left = -1;
  REQUIRE(::ioctl(ends.value().out.get(), FIONREAD, &left) == 0);
  CHECK(left == 0);
  CHECK(io.resize(80, 25).error().code == Code::failed_precondition);
}
