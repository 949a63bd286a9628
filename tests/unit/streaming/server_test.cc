// The streaming server over loopback on an engine of pipes: sessions, their ends, and clients that misbehave.
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/unit/streaming/served.h"

using namespace slipway;
using namespace slipway::test;
using namespace std::chrono_literals;
using Catch::Contains;
using Kind = streaming::StreamRequest::Kind;

namespace {

// Ports that do not answer until the end of this, which has to come before the server's.
class HeldDials {
 public:
  static constexpr int kThreads = 8;

  explicit HeldDials(tests::FakeEngine& engine) {
    engine.make_connection = [this](std::uint32_t port) -> Result<UniqueFd> {
      ++count_;
      held_.wait(true);
      return fail(Code::unavailable, "port {} is closed", port);
    };
  }
  ~HeldDials() { let_go(); }

  void let_go() {
    held_ = false;
    held_.notify_all();
  }
  int count() const { return count_; }
  bool wait(int count) const {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (count_ < count && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return count_ == count;
  }

 private:
  std::atomic<bool> held_ = true;
  std::atomic<int> count_ = 0;
};

}  // namespace

TEST_CASE("a half-closed input is the process's end of input, its outputs go on to the status", "[streaming]") {
  Fixture f;
  SpdyPeer peer(f.url(), kCommand);
  CHECK_THAT(peer.head, Contains("101 Switching Protocols") && Contains(kCommand));
  open_all(peer);
  peer.session.send(peer.ids["stdin"], "typed\n");
  peer.session.finish(peer.ids["stdin"]);
  REQUIRE(Process::wait(f.process.made));
  CHECK(f.process.read_all() == "typed\n");
  say(f.process.out, "out");
  say(f.process.err, "err");
  f.process.exit(3);
  CHECK(peer.wait_end());
  CHECK(peer.text("stdout") == "out");
  CHECK(peer.text("stderr") == "err");
  CHECK_THAT(peer.text("error"), Contains("\"ExitCode\"") && Contains("\"3\""));
  CHECK(peer.going_away);
  CHECK(Process::wait(f.process.destroyed));
}

TEST_CASE("a reset ends its stream alone", "[streaming]") {
  Fixture f;
  SpdyPeer peer(f.url(), kCommand);
  open_all(peer);
  REQUIRE(Process::wait(f.process.made));
  say(f.process.out, "before");
  REQUIRE(peer.wait_for([&] { return peer.text("stdout") == "before"; }));
  peer.session.reset(peer.ids["stdout"], streaming::ResetReason::cancel);
  peer.session.reset(peer.ids["stdin"], streaming::ResetReason::cancel);
  CHECK(f.process.read_all().empty());  // the input has ended
  say(f.process.out, "lost");
  say(f.process.err, "kept");
  f.process.exit(0);
  CHECK(peer.wait_end());
  CHECK(peer.text("stdout") == "before");
  CHECK(peer.text("stderr") == "kept");
  CHECK_THAT(peer.text("error"), Contains("Success"));
}

TEST_CASE("a terminal is told its size, nonsense changes nothing", "[streaming]") {
  Fixture f;
  SpdyPeer peer(f.url(Kind::exec, true), kCommand);
  open_all(peer, true);
  REQUIRE(Process::wait(f.process.made));
  const auto wait_size = [&f](int columns, int rows) {
    winsize size{};
    const auto end = std::chrono::steady_clock::now() + 20s;
    do {
      REQUIRE(::ioctl(f.process.terminal.get(), TIOCGWINSZ, &size) == 0);
    } while ((size.ws_col != columns || size.ws_row != rows) && std::chrono::steady_clock::now() < end);
    return size.ws_col == columns && size.ws_row == rows;
  };
  const auto resize = peer.ids["resize"];
  peer.session.send(resize, R"({"Width":132,"Hei)");  // cut anywhere
  peer.session.send(resize, R"(ght":43})");
  CHECK(wait_size(132, 43));
  peer.session.send(resize, R"({"Width":-1,"Height":70000}[]{})" + std::string(10'000, 'x') + "}" + R"({"Width":80,"Height":25})");
  CHECK(wait_size(80, 25));
  f.process.terminal.reset();
  f.process.exit(0);
  CHECK(peer.wait_end());
  CHECK_THAT(peer.text("error"), Contains("Success"));
}

TEST_CASE("why there is no process is the status", "[streaming]") {
  Fixture f;
  f.refusal = fail(Code::not_found, "there is no \"x\"");
  SpdyPeer peer(f.url(), kCommand);
  open_all(peer);
  CHECK(peer.wait_end());
  CHECK_THAT(peer.text("error"), Contains("InternalError") && Contains(R"(there is no \"x\")"));
}

TEST_CASE("a client that goes takes its process along, whether or not it was heard", "[streaming]") {
  Fixture f;
  {
    SpdyPeer peer(f.url(), kCommand);
    open_all(peer);
    REQUIRE(Process::wait(f.process.made));
  }
  CHECK(Process::wait(f.process.destroyed));
}

TEST_CASE("broken frames end the connection, and only that", "[streaming]") {
  Fixture f;
  const auto breaks = [&f](const std::string& bytes) {
    SpdyPeer peer(f.url(), kCommand);
    peer.connection.write(bytes);
    REQUIRE(peer.wait_end());
    return peer.going_away;
  };
  CHECK(breaks(std::string("\x80\x03\x00\x01\x00\x00\x80\x01", 8)));                         // a control frame of 32 KiB and a byte
  CHECK(breaks(std::string("\x80\x02\x00\x01\x00\x00\x00\x0a", 8)));                         // SPDY/2
  CHECK(breaks(std::string("\x00\x00\x00\x00\x00\x00\x00\x00", 8)));                         // data for stream 0
  CHECK(breaks(std::string("\x80\x03\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01", 12)));        // a SYN_STREAM without its fields
  CHECK(breaks(std::string("\x80\x03\x00\x01\x00\x00\x00\x0c", 8) + std::string(12, 'x')));  // headers that are no zlib stream
  CHECK(f.engine.calls().empty());
  SpdyPeer peer(f.url(), kCommand);
  open_all(peer);
  REQUIRE(Process::wait(f.process.made));
}

TEST_CASE("streams that nobody asked for are refused, the session goes on", "[streaming]") {
  Fixture f;
  SpdyPeer peer(f.url(), kCommand);
  const auto unknown = peer.open("sound");
  open_all(peer);
  const auto second = peer.session.open({{"streamtype", "stdin"}});
  REQUIRE(peer.wait_for([&] { return peer.reset == std::set{unknown, second}; }));
  REQUIRE(Process::wait(f.process.made));
  f.process.exit(0);
  CHECK(peer.wait_end());
  CHECK_THAT(peer.text("error"), Contains("Success"));
}

TEST_CASE("a forwarded port: both directions, a refusal, too many streams", "[streaming]") {
  Fixture f;
  UniqueFd pod;
  std::atomic<bool> dialled = false;
  f.engine.make_connection = [&](std::uint32_t port) -> Result<UniqueFd> {
    if (port != 80) return fail(Code::unavailable, "port {} is closed", port);
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return fail_errno(errno, "socketpair");
    pod.reset(pair[1]);
    dialled = true;
    return UniqueFd(pair[0]);
  };
  SpdyPeer peer(f.url(Kind::port_forward), kForward);
  const auto closed_error = peer.open("error", "81", "0");
  peer.open("data", "81", "0");
  REQUIRE(peer.wait_for([&] { return peer.finished.contains(closed_error); }));
  CHECK(peer.data[closed_error] == "port 81 is closed");

  peer.open("error", "80", "1");
  const auto data = peer.open("data", "80", "1");
  peer.session.send(data, "ping");
  peer.session.finish(data);
  REQUIRE(Process::wait(dialled));
  std::string got;
  pollfd polled{pod.get(), POLLIN, 0};
  for (char byte = 0; ::poll(&polled, 1, 20'000) == 1 && ::read(pod.get(), &byte, 1) == 1;) got += byte;
  CHECK(got == "ping");  // and the end of it: half-closed
  say(pod, "pong");
  pod.reset();
  REQUIRE(peer.wait_for([&] { return peer.finished.contains(data); }));
  CHECK(peer.data[data] == "pong");

  CHECK(peer.session.open({{"streamtype", "data"}, {"port", "0"}}) != 0);
  REQUIRE(peer.wait_for([&] { return peer.reset.size() == 1; }));
  for (std::size_t i = 0; i <= streaming::SpdySession::kMaxStreams; ++i) peer.open("error", "80", "more " + std::to_string(i));
  REQUIRE(peer.wait_for([&] { return peer.reset.size() > 1; }));
}

TEST_CASE("a request for a port is begun once, and those that are reset are bounded and done", "[streaming]") {
  Fixture f;
  HeldDials dials(f.engine);
  constexpr int kMost = streaming::SpdySession::kMaxStreams / 2;
  SpdyPeer peer(f.url(Kind::port_forward), kForward);
  const auto both = [&peer](const std::string& request) {
    const auto error = peer.open("error", "80", request);
    return std::pair{error, peer.open("data", "80", request)};
  };
  for (int i = 0; i <= kMost; ++i) {
    const auto alone = peer.open("error", "80", "alone " + std::to_string(i));
    peer.session.reset(alone, streaming::ResetReason::cancel);
  }
  for (int i = 0; i < HeldDials::kThreads; ++i) {
    const auto error = both(std::to_string(i)).first;
    peer.session.reset(error, streaming::ResetReason::cancel);
  }
  REQUIRE(dials.wait(HeldDials::kThreads));  // every thread has one
  const auto again = peer.open("error", "80", "0");
  REQUIRE(peer.wait_for([&] { return peer.reset.contains(again); }));
  CHECK(peer.reset.size() == 1);
  for (int i = HeldDials::kThreads; i < kMost; ++i) peer.session.reset(both(std::to_string(i)).second, streaming::ResetReason::cancel);
  const auto last = peer.open("error", "80", "one more");
  REQUIRE(peer.wait_for([&] { return peer.reset.contains(last); }));
  dials.let_go();
  f.server->stop();
  CHECK(dials.count() == HeldDials::kThreads);  // nobody dials what was reset before
}

TEST_CASE("a process whose output nobody wants, a port that does not answer, strangers: others are served", "[streaming]") {
  SECTION("output") {
    Fixture f;
    f.engine.make_streams = [&f](const engine::StreamSpec& spec) -> Result<std::unique_ptr<engine::ProcessStreams>> {
      auto streams = f.streams(spec);
      if (streams.ok()) streams.value()->out.reset(::open("/dev/zero", O_RDONLY | O_CLOEXEC));  // never without bytes
      return streams;
    };
    SpdyPeer peer(f.url(), kCommand);
    peer.session.reset(peer.open("stdout"), streaming::ResetReason::cancel);
    for (const char* type : {"error", "stdin", "stderr"}) peer.open(type);
    REQUIRE(Process::wait(f.process.made));
    for (int i = 0; i < 10; ++i) CHECK_THAT(Connection(f.url()).ask(""), Contains("400"));
  }
  SECTION("ports") {
    Fixture f;
    const HeldDials dials(f.engine);
    SpdyPeer forward(f.url(Kind::port_forward), kForward);
    for (int i = 0; i < 32; ++i) {
      forward.open("error", "80", std::to_string(i));
      forward.open("data", "80", std::to_string(i));
    }
    SpdyPeer peer(f.url(), kCommand);
    open_all(peer);
    CHECK(Process::wait(f.process.made));
  }
  SECTION("strangers") {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    Fixture f;
    const std::string url = f.url();
    std::vector<std::unique_ptr<Connection>> strangers;
    for (int i = 0; i < 600; ++i) {
      strangers.push_back(std::make_unique<Connection>(url));
      if (i % 32 == 0) CHECK_THAT(Connection(url).ask(""), Contains("400"));  // they are taken before the next ones come
    }
    CHECK_THAT(SpdyPeer(url, kCommand).head, Contains("101"));
  }
}

TEST_CASE("WebSocket: channels, the closing of one, a message that is too large", "[streaming]") {
  Fixture f;
  {
    Connection connection(f.url());
    check_web_socket_exec(f, connection);
  }
  Connection connection(f.url());
  upgrade_web_socket(connection);
  connection.write(web_socket_frame(2, std::string((1 << 20) + 1, 'x')));
  std::string all;
  while (connection.read(all)) continue;
  CHECK(Process::wait(f.process.destroyed));
}

TEST_CASE("a URL is good once, for its own path, and with an upgrade", "[streaming]") {
  Fixture f;
  const std::string url = f.url();
  CHECK_THAT(Connection(url).ask(""), Contains("400"));  // and it is still good
  const std::string other = std::string(url).replace(url.find("/exec/"), 6, "/attach/");
  CHECK_THAT(SpdyPeer(other, kCommand).head, Contains("404"));
  CHECK_THAT(SpdyPeer(url, kCommand).head, Contains("404"));  // a wrong path has used it up
  const std::string next = f.url();
  CHECK_THAT(SpdyPeer(next, "v9.channel.k8s.io").head, Contains("403"));
  CHECK_THAT(SpdyPeer(next, kCommand).head, Contains("101"));
  CHECK_THAT(SpdyPeer(next, kCommand).head, Contains("404"));
  CHECK_THAT(SpdyPeer(url.substr(0, url.find("/exec/")) + "/else/x", kCommand).head, Contains("404"));
  CHECK_THAT(Connection(f.url()).ask("X: " + std::string(20'000, 'x') + "\r\n"), Contains("400"));
}

TEST_CASE("who opens no streams is told so, who is idle is let go", "[streaming]") {
  SECTION("no streams") {
    Fixture f(60s, 1s);
    SpdyPeer peer(f.url(), kCommand);
    peer.open("error");
    CHECK(peer.wait_end());
    CHECK_THAT(peer.text("error"), Contains("did not open its streams in time"));
    CHECK(f.engine.calls().empty());
  }
  SECTION("no request") {
    Fixture f(60s, 1s);
    Connection connection(f.url());
    std::string got;
    CHECK_FALSE(connection.read(got));
  }
  SECTION("nothing said") {
    Fixture f(1s);
    SpdyPeer peer(f.url(), kCommand);
    open_all(peer);
    REQUIRE(Process::wait(f.process.made));
    CHECK(peer.wait_end());
    CHECK(Process::wait(f.process.destroyed));
  }
}

TEST_CASE("the server's end is every session's", "[streaming]") {
  Fixture f;
  SpdyPeer peer(f.url(), kCommand);
  open_all(peer);
  REQUIRE(Process::wait(f.process.made));
  f.server->stop();
  CHECK(peer.wait_end());
  CHECK(f.process.destroyed);
}
