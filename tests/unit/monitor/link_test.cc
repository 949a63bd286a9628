// The socket: who is heard, what ends a connection, what stays in order.
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "monitor/events.h"
#include "monitor/link.h"
#include "sys/socket.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::monitor;
using slipway::test::TempDir;

namespace {

// Answers every request with its id; keeps the descriptors.
class Echo final : public Requests {
 public:
  void on_request(ControllerId from, Request& request, std::vector<UniqueFd> given) override {
    ++seen;
    last = from;
    fds += given.size();
    Reply reply;
    reply.set_id(request.id());
    link->reply(from, reply, std::move(given));
  }
  Link* link = nullptr;
  ControllerId last = 0;
  int seen = 0;
  std::size_t fds = 0;
};

struct Harness {
  Harness() : loop(Loop::open().take()), link(loop, echo) {
    echo.link = &link;
    REQUIRE(link.listen(path).ok());
  }
  void turn() {
    for (;;) {
      const auto event = loop.step(1);
      REQUIRE(event.ok());
      if (!event.value()) return;
    }
  }
  UniqueFd connect() {
    auto fd = sys::connect_unix(path, SOCK_SEQPACKET);
    REQUIRE(fd.ok());
    turn();
    return std::move(fd).take();
  }
  void send(const UniqueFd& fd, std::uint64_t id, bool hello) {
    Packet packet;
    packet.mutable_request()->set_id(id);
    if (hello)
      packet.mutable_request()->mutable_hello()->set_version(1);
    else
      packet.mutable_request()->mutable_shutdown();
    REQUIRE(sys::send_packet(fd, packet.SerializeAsString()).ok());
    turn();
  }
  // The id of the reply that is there; 0 = the connection has ended, -1 = nothing there.
  static std::int64_t receive(const UniqueFd& fd) {
    auto packet = sys::receive_packet(fd, kMaxPacket, false);
    if (!packet.ok()) return packet.error().sys_errno == EAGAIN ? -1 : 0;
    if (packet.value().eof) return 0;
    Packet what;
    REQUIRE(what.ParseFromString(packet.value().data));
    return what.has_reply() ? static_cast<std::int64_t>(what.reply().id()) : 1000 + static_cast<std::int64_t>(what.event().sequence());
  }
  TempDir dir;
  std::string path = dir.path + "/monitor.sock";
  Loop loop;
  Echo echo;
  Link link;
};

}  // namespace

TEST_CASE("requests are answered after Hello", "[monitor]") {
  Harness h;
  const UniqueFd a = h.connect();
  h.send(a, 1, true);
  CHECK(Harness::receive(a) == 1);
  h.send(a, 2, false);
  CHECK(Harness::receive(a) == 2);
  CHECK(Harness::receive(a) == -1);
}

TEST_CASE("without Hello first the connection ends", "[monitor]") {
  Harness h;
  const UniqueFd a = h.connect();
  h.send(a, 1, false);
  CHECK(Harness::receive(a) == 0);
  CHECK(h.echo.seen == 0);
}

TEST_CASE("the newest that says Hello wins, connecting alone takes nothing", "[monitor]") {
  Harness h;
  const UniqueFd a = h.connect();
  h.send(a, 1, true);
  REQUIRE(Harness::receive(a) == 1);
  const UniqueFd b = h.connect();
  h.send(a, 2, false);
  CHECK(Harness::receive(a) == 2);
  h.send(b, 3, true);
  CHECK(Harness::receive(b) == 3);
  CHECK(Harness::receive(a) == 0);
  Event event;
  event.set_sequence(7);
  h.link.event(event);
  CHECK(Harness::receive(b) == 1007);
}

TEST_CASE("a malformed, a truncated, a wrong packet end only that connection", "[monitor]") {
  Harness h;
  const UniqueFd good = h.connect();
  h.send(good, 1, true);
  REQUIRE(Harness::receive(good) == 1);
  Packet reply;
  reply.mutable_reply()->set_id(1);
  for (const std::string& bad : {std::string("\xff\xff\xff nonsense"), std::string(kMaxPacket + 1, 'x'), reply.SerializeAsString()}) {
    const UniqueFd a = h.connect();
    REQUIRE(sys::send_packet(a, bad).ok());
    h.turn();
    CHECK(Harness::receive(a) == 0);
  }
  h.send(good, 2, false);
  CHECK(Harness::receive(good) == 2);
}

TEST_CASE("descriptors come and go with packets", "[monitor]") {
  Harness h;
  const UniqueFd a = h.connect();
  h.send(a, 1, true);
  REQUIRE(Harness::receive(a) == 1);
  auto pair = sys::seqpacket_pair();
  REQUIRE(pair.ok());
  Packet packet;
  packet.mutable_request()->set_id(2);
  packet.mutable_request()->mutable_exec();
  const int fds[] = {pair.value().first.get(), pair.value().second.get()};
  REQUIRE(sys::send_packet(a, packet.SerializeAsString(), fds).ok());
  h.turn();
  CHECK(h.echo.fds == 2);
  auto back = sys::receive_packet(a, kMaxPacket, false);
  REQUIRE(back.ok());
  CHECK(back.value().fds.size() == 2);
}

TEST_CASE("a reply to a controller that is gone goes nowhere", "[monitor]") {
  Harness h;
  UniqueFd a = h.connect();
  h.send(a, 1, true);
  const ControllerId old = h.echo.last;
  a.reset();
  h.turn();
  const UniqueFd b = h.connect();
  h.send(b, 2, true);
  REQUIRE(Harness::receive(b) == 2);
  Reply late;
  late.set_id(1);
  h.link.reply(old, late);
  CHECK(Harness::receive(b) == -1);
}

TEST_CASE("a controller that reads nothing is closed, not waited for", "[monitor]") {
  Harness h;
  const UniqueFd a = h.connect();
  h.send(a, 1, true);
  Event event;
  event.mutable_oom()->set_container_id(std::string(1000, 'x'));
  for (std::uint64_t i = 1; i < 3000; ++i) {
    event.set_sequence(i);
    h.link.event(event);
  }
  h.turn();
  std::int64_t got = -1;
  int count = 0;
  while ((got = Harness::receive(a)) > 0) ++count;
  CHECK(got == 0);
  CHECK(count < 3000);
}

TEST_CASE("a slow controller gets everything in order", "[monitor]") {
  Harness h;
  const UniqueFd a = h.connect();
  h.send(a, 1, true);
  REQUIRE(Harness::receive(a) == 1);
  Event event;
  event.mutable_oom()->set_container_id(std::string(1000, 'x'));
  for (std::uint64_t i = 1; i <= 800; ++i) {
    event.set_sequence(i);
    h.link.event(event);
  }
  for (std::int64_t i = 1; i <= 800; ++i) {
    const std::int64_t got = Harness::receive(a);
    REQUIRE(got == 1000 + i);
    h.turn();
  }
  CHECK(h.link.flushed());
}

TEST_CASE("events are numbered, kept until acknowledged, bounded", "[monitor]") {
  EventQueue queue;
  for (int i = 1; i <= 5; ++i) CHECK(queue.push(Event{}).sequence() == static_cast<std::uint64_t>(i));
  queue.acknowledge(3);
  REQUIRE(queue.kept().size() == 2);
  CHECK(queue.kept().front().sequence() == 4);
  queue.acknowledge(1);
  CHECK(queue.kept().size() == 2);
  for (int i = 0; i < 1000; ++i) queue.push(Event{});
  CHECK(queue.kept().size() == EventQueue::kKept);
  CHECK(queue.last() == 1005);
  CHECK(queue.kept().back().sequence() == 1005);
}
