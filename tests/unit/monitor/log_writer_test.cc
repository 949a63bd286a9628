// The log writer as its own process: nothing lost, nothing twice, nobody kept waiting.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>

#include "monitor/container_io.h"
#include "sys/process.h"
#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::monitor;
using slipway::test::TempDir;

namespace {

constexpr MonotonicNanos kMilli = 1'000'000;

struct Machine {
  Machine()
      : loop(Loop::open().take()),
        writer(loop,
               [this] {
                 if (io) io->go_on(now_monotonic());
               }),
        io(std::make_unique<ContainerIo>(loop)) {
    path = dir.path + "/0.log";
    REQUIRE(io->open_log(writer, path).ok());
    auto made = io->make_pipes(false);
    REQUIRE(made.ok());
    ends = std::move(made).take();
    REQUIRE(::fcntl(ends.out.get(), F_SETFL, O_NONBLOCK) == 0);
  }
  // The loop as the monitor runs it, for some time.
  void turn(MonotonicNanos duration) {
    const MonotonicNanos until = now_monotonic() + duration;
    for (MonotonicNanos now = now_monotonic(); now < until; now = now_monotonic()) {
      MonotonicNanos next = until;
      for (const MonotonicNanos at : {io->deadline(), writer.deadline()})
        if (at != 0 && at < next) next = at;
      REQUIRE(loop.step(next).ok());
      writer.expire(now_monotonic());
      io->go_on(now_monotonic());
    }
  }
  bool written(MonotonicNanos patience = 20'000 * kMilli) {
    for (const MonotonicNanos until = now_monotonic() + patience; now_monotonic() < until;) {
      turn(5 * kMilli);
      if (io->log().written()) return true;
    }
    return false;
  }
  // Writes all of it as a container would, the loop turning meanwhile. The longest time that nothing could be written.
  MonotonicNanos say(const std::string& text) {
    MonotonicNanos longest = 0;
    for (std::size_t done = 0; done < text.size();) {
      const MonotonicNanos begun = now_monotonic();
      ssize_t n = -1;
      while ((n = ::write(ends.out.get(), text.data() + done, std::min<std::size_t>(text.size() - done, 4096))) < 0) {
        REQUIRE(errno == EAGAIN);
        turn(kMilli);
      }
      longest = std::max(longest, now_monotonic() - begun);
      done += static_cast<std::size_t>(n);
    }
    return longest;
  }
  void signal(int number) {
    const auto pidfd = sys::pidfd_open(writer.pid());
    REQUIRE(pidfd.ok());
    REQUIRE(sys::pidfd_send_signal(pidfd.value(), number).ok());
  }
  std::vector<std::string> lines(const std::string& from = {}) const {
    std::ifstream in(from.empty() ? path : from);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line.substr(kTimeLength + 1));
    return out;
  }
  TempDir dir;
  std::string path;
  Loop loop;
  LogWriter writer;
  std::unique_ptr<ContainerIo> io;
  ContainerEnds ends;
};

std::string numbered(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("what a container writes is in its log, in order", "[monitor]") {
  Machine m;
  (void)m.say(numbered(0, 100'000));
  REQUIRE(m.written());
  const auto lines = m.lines();
  REQUIRE(lines.size() == 100'000);
  for (int i = 0; i < 100'000; ++i) REQUIRE(lines[static_cast<std::size_t>(i)] == "stdout F line " + std::to_string(i));
}

TEST_CASE("a log writer that is killed again and again loses no line and repeats none", "[monitor]") {
  Machine m;
  constexpr int kRounds = 4;
  for (int i = 0; i < kRounds; ++i) {
    (void)m.say(numbered(i * 5000, (i + 1) * 5000));
    m.signal(SIGKILL);
    while (m.writer.pid() != 0) m.turn(kMilli);
    (void)m.say(numbered((i + 1) * 5000, (i + 1) * 5000));
    REQUIRE(m.written());
  }
  const auto lines = m.lines();
  REQUIRE(lines.size() == kRounds * 5000);
  for (int i = 0; i < kRounds * 5000; ++i) REQUIRE(lines[static_cast<std::size_t>(i)] == "stdout F line " + std::to_string(i));
}

TEST_CASE("a writer that was killed in the middle of a write is gone on from there", "[monitor]") {
  TempDir dir;
  void* const memory = ::mmap(nullptr, sizeof(LogRegion), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto& region = *static_cast<LogRegion*>(memory);
  LogRing& ring = region.rings[0];
  const std::string path = dir.path + "/0.log";
  std::memcpy(ring.path, path.c_str(), path.size() + 1);
  const std::string text = "a first\na second\n";
  std::memcpy(ring.data, text.data(), text.size());
  ring.head = text.size();
  {
    std::ofstream out(path);
    out << "older\n" << text.substr(0, 11);  // torn: so much the kernel had taken
  }
  ring.file_size = 6;
  ring.write_size = text.size();
  ring.state = LogRing::kClosing;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto parent = sys::pidfd_open(::getppid());
    const UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
    write_logs(region, wake, wake, parent.value());
  }
  for (int i = 0; i < 2000 && ring.state != LogRing::kDone; ++i) (void)::poll(nullptr, 0, 5);
  CHECK(ring.state == LogRing::kDone);
  const auto pidfd = sys::pidfd_open(child);
  REQUIRE(pidfd.ok());
  REQUIRE(sys::pidfd_send_signal(pidfd.value(), SIGKILL).ok());
  REQUIRE(sys::wait_pidfd(pidfd.value()).ok());
  CHECK(slipway::test::slurp(path) == "older\na first\na second\n");
  (void)::munmap(memory, sizeof(LogRegion));
}

TEST_CASE("a disk that stalls keeps nobody waiting; what is lost is counted and told", "[monitor]") {
  Machine m;
  (void)m.say(numbered(0, 10));
  REQUIRE(m.written());
  m.signal(SIGSTOP);
  const MonotonicNanos longest = m.say(numbered(10, 200'000));  // more than the ring holds
  CHECK(longest < 100 * kMilli);
  CHECK(m.io->log().losing());
  m.signal(SIGCONT);
  REQUIRE(m.written());
  (void)m.say("after\n");
  REQUIRE(m.written());
  const auto lines = m.lines();
  const auto notice = std::find_if(lines.begin(), lines.end(),
                                   [](const std::string& l) { return l.find("log entries were lost here") != std::string::npos; });
  REQUIRE(notice != lines.end());
  CHECK(notice->starts_with("stderr F slipway: "));
  const int lost = std::stoi(notice->substr(std::string("stderr F slipway: ").size()));
  CHECK(static_cast<int>(lines.size()) - 1 + lost == 200'001);
  // Up to the notice none is missing, and the last line came after it.
  for (long i = 0; i < notice - lines.begin(); ++i) REQUIRE(lines[static_cast<std::size_t>(i)] == "stdout F line " + std::to_string(i));
  CHECK(lines.back() == "stdout F after");
}

TEST_CASE("a rotation cuts between two entries, also behind a backlog", "[monitor]") {
  Machine m;
  m.signal(SIGSTOP);
  (void)m.say(numbered(0, 1000));
  m.turn(5 * kMilli);
  REQUIRE(m.io->log().begin_reopen().ok());
  (void)m.say(numbered(1000, 2000));
  m.turn(5 * kMilli);
  CHECK_FALSE(m.io->log().reopened().has_value());
  CHECK_FALSE(m.io->log().begin_reopen().ok());
  m.signal(SIGCONT);
  m.turn(1);
  // The file is opened when the writer comes to it, so the name has to be free by then: here it is not, and all goes on in one file.
  REQUIRE(m.written());
  REQUIRE(m.io->log().reopened().has_value());
  CHECK(m.io->log().reopened()->ok());
  REQUIRE(::rename(m.path.c_str(), (m.path + ".1").c_str()) == 0);
  REQUIRE(m.io->log().begin_reopen().ok());
  (void)m.say("new\n");
  REQUIRE(m.written());
  CHECK(m.lines(m.path + ".1").size() == 2000);
  CHECK(m.lines() == std::vector<std::string>{"stdout F new"});
}

TEST_CASE("the monitor's end ends the writer, when all is written", "[monitor]") {
  auto m = std::make_unique<Machine>();
  (void)m->say(numbered(0, 1000));
  m->turn(5 * kMilli);
  const std::string path = m->path;
  CHECK(m->writer.pid() != 0);
  m->ends = {};
  m->io.reset();
  for (int i = 0; i < 2000 && !m->writer.idle(); ++i) REQUIRE(m->loop.step(now_monotonic() + kMilli).ok());
  CHECK(m->writer.idle());
  CHECK(m->lines().size() == 1000);
}
