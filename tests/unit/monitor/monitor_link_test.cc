// slipwayd's side against a monitor that misbehaves: replies in any order, late, never, nonsense, a sudden end.
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/monitor_link.h"
#include "sys/socket.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::engine;
using namespace std::chrono_literals;

namespace {

// One connection; each request is handed to a function that may answer.
class FakeMonitor {
 public:
  using Handle = std::function<bool(FakeMonitor&, const monitor::Request&)>;  // false: hang up

  FakeMonitor(const std::string& path, Handle handle) : handle_(std::move(handle)) {
    auto listener = sys::listen_unix(path, SOCK_SEQPACKET);
    REQUIRE(listener.ok());
    listener_ = std::move(listener).take();
    thread_ = std::thread([this] { run(); });
  }
  ~FakeMonitor() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  void send(const monitor::Packet& packet, std::span<const int> fds = {}) {
    (void)sys::send_packet(socket_, packet.SerializeAsString(), fds);
  }
  void reply(std::uint64_t id, std::uint32_t pid = 0) {
    monitor::Packet packet;
    packet.mutable_reply()->set_id(id);
    packet.mutable_reply()->set_pid(pid);
    send(packet);
  }
  void event(std::uint64_t sequence) {
    monitor::Packet packet;
    packet.mutable_event()->set_sequence(sequence);
    packet.mutable_event()->mutable_oom();
    send(packet);
  }
  void raw(std::string_view bytes) { (void)sys::send_packet(socket_, bytes); }

 private:
  void run() {
    socket_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    while (socket_.valid()) {
      auto packet = sys::receive_packet(socket_, 65536);
      monitor::Packet what;
      if (!packet.ok() || packet.value().eof || !what.ParseFromString(packet.value().data)) return;
      if (what.request().has_hello()) {
        monitor::Packet welcome;
        welcome.mutable_reply()->set_id(what.request().id());
        welcome.mutable_reply()->mutable_welcome()->set_pod_id("pod");
        send(welcome);
      } else if (!handle_(*this, what.request())) {
        socket_.reset();
      }
    }
  }
  Handle handle_;
  UniqueFd listener_, socket_;
  std::thread thread_;
};

struct Harness {
  explicit Harness(FakeMonitor::Handle handle) : fake(path, std::move(handle)), reader(MonitorReader::start().take()) {
    MonitorCallbacks callbacks;
    callbacks.on_event = [this](const monitor::Event& event) {
      const std::lock_guard lock(mutex);
      events.push_back(event.sequence());
      changed.notify_all();
    };
    callbacks.on_lost = [this](const Error& error) {
      const std::lock_guard lock(mutex);
      lost.push_back(error.code);
      changed.notify_all();
    };
    auto connected = MonitorLink::connect(*reader, path, 0, std::move(callbacks), 10s);
    REQUIRE(connected.ok());
    link = std::move(connected).take();
  }
  ~Harness() { link->close(); }
  Result<MonitorReply> call(std::chrono::milliseconds timeout = 10s) {
    monitor::Request request;
    request.mutable_shutdown();
    return link->call(std::move(request), {}, timeout);
  }
  bool wait_lost() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [this] { return !lost.empty(); });
  }
  test::TempDir dir;
  std::string path = dir.path + "/monitor.sock";
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::uint64_t> events;
  std::vector<Code> lost;
  FakeMonitor fake;
  std::unique_ptr<MonitorReader> reader;
  std::shared_ptr<MonitorLink> link;
};

}  // namespace

TEST_CASE("replies reach their callers in whatever order they come", "[monitor_link]") {
  std::vector<std::uint64_t> waiting;
  Harness h([&waiting](FakeMonitor& fake, const monitor::Request& request) {
    waiting.push_back(request.id());
    if (waiting.size() == 4)
      for (auto id = waiting.rbegin(); id != waiting.rend(); ++id) fake.reply(*id, static_cast<std::uint32_t>(*id));
    return true;
  });
  CHECK(h.link->welcome().pod_id() == "pod");
  std::atomic<int> good = 0;
  std::vector<std::thread> callers;
  callers.reserve(4);
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      const auto reply = h.call();
      if (reply.ok() && reply.value().reply.pid() == reply.value().reply.id()) ++good;
    });
  for (auto& caller : callers) caller.join();
  CHECK(good == 4);
}

TEST_CASE("a refusal comes as the error that was sent", "[monitor_link]") {
  Harness h([](FakeMonitor& fake, const monitor::Request& request) {
    monitor::Packet packet;
    packet.mutable_reply()->set_id(request.id());
    packet.mutable_reply()->set_code(static_cast<std::uint32_t>(Code::failed_precondition));
    packet.mutable_reply()->set_message("not now");
    fake.send(packet);
    return true;
  });
  const auto reply = h.call();
  REQUIRE_FALSE(reply.ok());
  CHECK(reply.error().code == Code::failed_precondition);
  CHECK(reply.error().message == "not now");
}

TEST_CASE("a late reply is dropped, the next call gets its own", "[monitor_link]") {
  std::uint64_t first = 0;
  Harness h([&first](FakeMonitor& fake, const monitor::Request& request) {
    if (first == 0) {
      first = request.id();
      return true;
    }
    fake.reply(first, 1);
    fake.reply(request.id(), 2);
    return true;
  });
  CHECK(h.call(5ms).error().code == Code::deadline_exceeded);
  const auto second = h.call();
  REQUIRE(second.ok());
  CHECK(second.value().reply.pid() == 2);
}

TEST_CASE("a monitor that ends wakes its callers and is told once", "[monitor_link]") {
  Harness h([](FakeMonitor&, const monitor::Request&) { return false; });
  CHECK(h.call().error().code == Code::unavailable);
  REQUIRE(h.wait_lost());
  CHECK(h.lost == std::vector<Code>{Code::unavailable});
  CHECK(h.link->lost());
  CHECK(h.call().error().code == Code::unavailable);
}

TEST_CASE("nonsense ends the connection", "[monitor_link]") {
  Harness h([](FakeMonitor& fake, const monitor::Request&) {
    fake.raw("\xff\xff\xff\xff");
    return true;
  });
  CHECK(h.call().error().code == Code::unavailable);
  REQUIRE(h.wait_lost());
  CHECK(h.lost == std::vector<Code>{Code::data_loss});
}

TEST_CASE("events come in order, none after close", "[monitor_link]") {
  Harness h([](FakeMonitor& fake, const monitor::Request& request) {
    for (std::uint64_t i = 1; i <= 100; ++i) fake.event(i);
    fake.reply(request.id());
    return true;
  });
  REQUIRE(h.call().ok());
  h.link->close();
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 1; i <= 100; ++i) expected.push_back(i);
  CHECK(h.events == expected);
  CHECK(h.lost.empty());
}

TEST_CASE("nobody there is unavailable", "[monitor_link]") {
  test::TempDir dir;
  auto reader = MonitorReader::start();
  REQUIRE(reader.ok());
  CHECK(MonitorLink::connect(*reader.value(), dir.path + "/monitor.sock", 0, {}, 1s).error().code == Code::unavailable);
  { const auto listener = sys::listen_unix(dir.path + "/monitor.sock", SOCK_SEQPACKET); }  // a socket file whose owner died
  CHECK(MonitorLink::connect(*reader.value(), dir.path + "/monitor.sock", 0, {}, 1s).error().code == Code::unavailable);
}
