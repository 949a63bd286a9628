// A streaming server on an engine of pipes, and the process behind it as a test plays it.
#pragma once

#include <fcntl.h>
#include <pty.h>
#include <sys/eventfd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "streaming/server.h"
#include "tests/unit/cri/fakes.h"
#include "tests/unit/streaming/stream_peer.h"

namespace slipway::test {

inline constexpr const char* kCommand = "v4.channel.k8s.io";
inline constexpr const char* kForward = "portforward.k8s.io";

inline UniqueFd nonblocking(int fd) {
  REQUIRE(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  return UniqueFd(fd);
}

// A process as a test plays it: the other ends of its streams.
struct Process {
  UniqueFd in, out, err, terminal;
  UniqueFd ended{::eventfd(0, EFD_CLOEXEC)};
  std::atomic<int> code{0};
  std::atomic<bool> made{false}, destroyed{false};

  void exit(int with) {
    code = with;
    out.reset();
    err.reset();
    (void)::eventfd_write(ended.get(), 1);
  }
  // What it is given until the end of its input.
  std::string read_all() const {
    std::string got;
    char buffer[4096];
    pollfd polled{in.get(), POLLIN, 0};
    while (::poll(&polled, 1, 20'000) == 1) {
      const ssize_t n = ::read(in.get(), buffer, sizeof buffer);
      if (n <= 0) return got;
      got.append(buffer, static_cast<std::size_t>(n));
    }
    return got + " and no end";
  }
  static bool wait(const std::atomic<bool>& flag) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!flag && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return flag;
  }
};

class PlayedStreams final : public engine::ProcessStreams {
 public:
  explicit PlayedStreams(Process& process) : process_(process) {}
  ~PlayedStreams() override { process_.destroyed = true; }
  FdRef ended() const override { return process_.ended; }
  Result<std::int32_t> exit_code() const override { return process_.code.load(); }

 private:
  Process& process_;
};

struct Fixture {
  explicit Fixture(std::chrono::seconds idle = std::chrono::seconds(60), std::chrono::seconds creation = std::chrono::seconds(20),
                   streaming::TlsFiles tls = {}) {
    engine.make_streams = [this](const engine::StreamSpec& spec) { return streams(spec); };
    streaming::ServerOptions options;
    options.idle = idle;
    options.creation = creation;
    options.tls = std::move(tls);
    auto started = streaming::Server::start(options, engine);
    REQUIRE(started.ok());
    server = std::move(started).take();
  }
  ~Fixture() { server->stop(); }

  Result<std::unique_ptr<engine::ProcessStreams>> streams(const engine::StreamSpec& spec) {
    if (refusal) return *refusal;
    auto out = std::make_unique<PlayedStreams>(process);
    furnish(spec, *out);
    process.made = true;
    return std::unique_ptr<engine::ProcessStreams>(std::move(out));
  }
  void furnish(const engine::StreamSpec& spec, engine::ProcessStreams& out) {
    int pair[2];
    if (spec.tty) {
      int slave = -1;
      REQUIRE(::openpty(pair, &slave, nullptr, nullptr, nullptr) == 0);
      process.terminal.reset(slave);
      out.terminal = nonblocking(pair[0]);
      out.in.reset(::fcntl(pair[0], F_DUPFD_CLOEXEC, 3));
      out.out.reset(::fcntl(pair[0], F_DUPFD_CLOEXEC, 3));
      return;
    }
    const auto make = [&pair](UniqueFd& ours, UniqueFd& its, bool to_process) {
      REQUIRE(::pipe2(pair, O_CLOEXEC) == 0);
      ours = nonblocking(pair[to_process ? 1 : 0]);
      its.reset(pair[to_process ? 0 : 1]);
    };
    if (spec.in) make(out.in, process.in, true);
    if (spec.out) make(out.out, process.out, false);
    if (spec.err) make(out.err, process.err, false);
  }

  std::string url(streaming::StreamRequest::Kind kind = streaming::StreamRequest::Kind::exec, bool tty = false, bool in = true) {
    streaming::StreamRequest request{kind, "c", {}};
    request.spec.command = {"x"};
    request.spec.tty = tty;
    request.spec.in = in;
    request.spec.out = true;
    request.spec.err = !tty;
    const auto made = server->url(request);
    REQUIRE(made.ok());
    return made.value();
  }

  tests::FakeEngine engine;
  Process process;
  std::optional<Error> refusal;
  std::unique_ptr<streaming::Server> server;
};

inline void open_all(SpdyPeer& peer, bool tty = false) {
  for (const char* type : {"error", "stdin", "stdout"}) peer.open(type);
  peer.open(tty ? "resize" : "stderr");
}

inline void say(FdRef fd, std::string_view text) {
  REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

inline std::string upgrade_web_socket(Connection& connection) {
  return connection.ask(
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n");
}

// An exec on it from the upgrade to the exit code.
inline void check_web_socket_exec(Fixture& f, Connection& connection) {
  using Catch::Contains;
  CHECK_THAT(upgrade_web_socket(connection), Contains("101 Switching Protocols") && Contains("v5.channel.k8s.io"));
  connection.write(web_socket_frame(2, std::string("\0typed", 6)) + web_socket_frame(2, std::string("\xff\0", 2)));
  REQUIRE(Process::wait(f.process.made));
  CHECK(f.process.read_all() == "typed");
  say(f.process.out, "out");
  f.process.exit(5);
  std::string all = connection.rest;
  while (connection.read(all)) continue;
  CHECK_THAT(all, Contains("\x01out") && Contains("ExitCode"));
}

}  // namespace slipway::test
