// D-Bus: bytes, and a conversation with a bus that this test plays.
#include "cgroups/dbus.h"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "cgroups/systemd.h"
#include "sys/socket.h"

using namespace slipway;
using namespace slipway::cgroups;
using namespace slipway::cgroups::dbus;

namespace {

// Replies, errors and signals are written as calls whose type and fields are changed here, byte for byte as the specification has them.
struct Out {
  Type type = Type::method_return;
  std::uint32_t reply_to = 0;
  std::string interface, member, error_name, signature, body;
};

std::string encode(const Out& message) {
  Writer out;
  out.byte('l');
  out.byte(static_cast<std::uint8_t>(message.type));
  out.byte(1);
  out.byte(1);
  out.u32(static_cast<std::uint32_t>(message.body.size()));
  out.u32(77);
  const auto fields = out.begin_array(8);
  const auto text = [&](std::uint8_t field, const std::string& value) {
    if (value.empty()) return;
    out.begin_struct();
    out.byte(field);
    out.signature("s");
    out.string(value);
  };
  text(2, message.interface);
  text(3, message.member);
  text(4, message.error_name);
  if (message.reply_to != 0) {
    out.begin_struct();
    out.byte(5);
    out.signature("u");
    out.u32(message.reply_to);
  }
  out.begin_struct();  // a field of a newer specification
  out.byte(200);
  out.signature("at");
  const auto array = out.begin_array(8);
  out.u64(1);
  out.end_array(array);
  if (!message.signature.empty()) {
    out.begin_struct();
    out.byte(8);
    out.signature("g");
    out.signature(message.signature);
  }
  out.end_array(fields);
  out.begin_struct();
  return out.bytes() + message.body;
}

std::string job_removed(const std::string& unit, const std::string& result) {
  Writer body;
  body.u32(5);
  body.string("/org/freedesktop/systemd1/job/5");
  body.string(unit);
  body.string(result);
  return encode({.type = Type::signal,
                 .interface = "org.freedesktop.systemd1.Manager",
                 .member = "JobRemoved",
                 .signature = "uoss",
                 .body = body.bytes()});
}

// The other end: authenticates, then answers each call as `answer` says, until the client goes.
class FakeBus {
 public:
  using Answer = std::function<std::string(const Message&)>;

  explicit FakeBus(Answer answer) : answer_(std::move(answer)) {
    auto pair = sys::stream_pair();
    REQUIRE(pair.ok());
    client_ = std::move(pair.value().first);
    server_ = std::move(pair.value().second);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeBus() {
    client_.reset();
    thread_.join();
  }
  Result<Bus> connect(int timeout_ms = 5000) { return Bus::over(std::move(client_), timeout_ms); }

  std::vector<Message> seen;

 private:
  bool fill() {
    char part[4096];
    const ssize_t n = ::read(server_.get(), part, sizeof part);
    if (n <= 0) return false;
    in_.append(part, static_cast<std::size_t>(n));
    return true;
  }
  void put(const std::string& text) { (void)!::write(server_.get(), text.data(), text.size()); }

  void serve() {
    while (in_.find("\r\n") == std::string::npos)
      if (!fill()) return;
    if (in_.find("AUTH EXTERNAL ") != 1 || in_[0] != '\0') return;
    in_.erase(0, in_.find("\r\n") + 2);
    put("OK 0123456789abcdef0123456789abcdef\r\n");
    while (in_.size() < 7)
      if (!fill()) return;
    in_.erase(0, 7);  // BEGIN
    for (;;) {
      while (in_.size() < kFixedHeader)
        if (!fill()) return;
      const std::size_t size = message_size(in_).value();
      while (in_.size() < size)
        if (!fill()) return;
      Message message = decode(std::string_view(in_).substr(0, size)).value();
      in_.erase(0, size);
      seen.push_back(message);
      put(answer_(message));
    }
  }

  Answer answer_;
  UniqueFd client_, server_;
  std::string in_;
  std::thread thread_;
};

std::string done(const Message& call) {
  return encode({.reply_to = call.serial});
}

std::string refuse(const Message& call, const std::string& name) {
  Writer body;
  body.string("because");
  return encode({.type = Type::error, .reply_to = call.serial, .error_name = name, .signature = "s", .body = body.bytes()});
}

}  // namespace

TEST_CASE("a call is what the specification says", "[cgroups][dbus]") {
  Writer body;
  body.string("x");
  const std::string bytes = encode_call(3, {"d.d", "/p", "i.i", "M", "s", body.bytes()});
  CHECK(bytes.size() % 8 == body.bytes().size() % 8);
  CHECK(message_size(bytes).value() == bytes.size());
  const auto message = decode(bytes);
  REQUIRE(message.ok());
  CHECK(message.value().type == Type::method_call);
  CHECK(message.value().serial == 3);
  CHECK(message.value().path == "/p");
  CHECK(message.value().interface == "i.i");
  CHECK(message.value().member == "M");
  CHECK(message.value().signature == "s");
  CHECK(message.value().body == body.bytes());
}

TEST_CASE("values are aligned", "[cgroups][dbus]") {
  Writer out;
  out.byte(1);
  out.u64(2);
  out.byte(3);
  const auto array = out.begin_array(8);
  out.u64(4);
  out.end_array(array);
  CHECK(out.bytes().size() == 32 + 0);
  Reader in(out.bytes());
  CHECK(in.byte().value() == 1);
  CHECK(in.u64().value() == 2);
  CHECK(in.byte().value() == 3);
  CHECK(in.u32().value() == 8);  // without the padding
  CHECK(in.u64().value() == 4);
  CHECK(in.at_end());
  CHECK_FALSE(in.byte().ok());
}

TEST_CASE("a message that is cut or lies is refused", "[cgroups][dbus]") {
  const std::string whole = job_removed("a.scope", "done");
  REQUIRE(decode(whole).ok());
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(decode(std::string_view(whole).substr(0, n)).ok());
  const auto with = [&](std::size_t at, char value) {
    std::string changed = whole;
    changed[at] = value;
    return changed;
  };
  CHECK_FALSE(decode(with(0, 'B')).ok());
  CHECK_FALSE(decode(with(1, 9)).ok());
  CHECK_FALSE(decode(with(3, 2)).ok());
  CHECK_FALSE(message_size(with(6, 127)).ok());   // a body of 8 MB
  CHECK_FALSE(message_size(with(14, 127)).ok());  // as many fields
  CHECK_FALSE(decode(with(16, 5)).ok());          // a field of another type than its number wants
}

TEST_CASE("a job is done when systemd says so, for this unit", "[cgroups][dbus]") {
  FakeBus bus([](const Message& call) {
    if (call.member != "StartTransientUnit") return done(call);
    // A stranger's job, the one asked for before its reply, and ours.
    return job_removed("other.scope", "failed") + done(call) + job_removed("a.scope", "done");
  });
  auto connected = bus.connect();
  REQUIRE(connected.ok());
  Systemd systemd = Systemd::over(std::move(connected).take());
  REQUIRE(systemd.start_transient("a.scope", {{"PIDs", Numbers{7}}, {"Delegate", true}, {"Slice", std::string("b.slice")}}).ok());
  REQUIRE(bus.seen.size() == 3);
  CHECK(bus.seen[0].member == "Hello");
  CHECK(bus.seen[1].member == "AddMatch");
  Reader in(bus.seen[2].body);
  CHECK(bus.seen[2].signature == "ssa(sv)a(sa(sv))");
  CHECK(in.string().value() == "a.scope");
  CHECK(in.string().value() == "fail");
  CHECK(in.u32().ok());
  CHECK(in.align(8).ok());
  CHECK(in.string().value() == "PIDs");
  CHECK(in.signature().value() == "au");
  CHECK(in.u32().value() == 4);
  CHECK(in.u32().value() == 7);
  CHECK(in.align(8).ok());
  CHECK(in.string().value() == "Delegate");
  CHECK(in.signature().value() == "b");
  CHECK(in.u32().value() == 1);
}

TEST_CASE("a job that fails, a call that is refused", "[cgroups][dbus]") {
  FakeBus bus([](const Message& call) {
    if (call.member == "StartTransientUnit") return done(call) + job_removed("a.scope", "timeout");
    if (call.member == "StopUnit") return refuse(call, "org.freedesktop.systemd1.NoSuchUnit");
    if (call.member == "SetUnitProperties") return refuse(call, "org.freedesktop.DBus.Error.InvalidArgs");
    return done(call);
  });
  auto connected = bus.connect();
  REQUIRE(connected.ok());
  Systemd systemd = Systemd::over(std::move(connected).take());
  const auto started = systemd.start_transient("a.scope", {});
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().code == Code::deadline_exceeded);
  CHECK_THAT(started.error().message, Catch::Contains("a.scope") && Catch::Contains("timeout"));
  CHECK(systemd.stop("a.scope").ok());
  const auto set = systemd.set_properties("a.scope", {});
  REQUIRE_FALSE(set.ok());
  CHECK(set.error().code == Code::invalid_argument);
  CHECK_THAT(set.error().message, Catch::Contains("because"));
}

TEST_CASE("the version's number", "[cgroups][dbus]") {
  FakeBus bus([](const Message& call) {
    if (call.member != "Get") return done(call);
    Writer body;
    body.signature("s");
    body.string("252.33-1~deb12u1");
    return encode({.reply_to = call.serial, .signature = "v", .body = body.bytes()});
  });
  auto connected = bus.connect();
  REQUIRE(connected.ok());
  Systemd systemd = Systemd::over(std::move(connected).take());
  CHECK(systemd.version().value() == 252);
}

TEST_CASE("a bus that is silent, gone or absent", "[cgroups][dbus]") {
  FakeBus silent([](const Message& call) { return call.member == "Hello" ? done(call) : std::string(); });
  auto connected = silent.connect(200);
  REQUIRE(connected.ok());
  const auto waited = connected.value().add_match("x");
  REQUIRE_FALSE(waited.ok());
  CHECK(waited.error().code == Code::deadline_exceeded);

  auto pair = sys::stream_pair();
  REQUIRE(pair.ok());
  pair.value().second.reset();
  CHECK_FALSE(Bus::over(std::move(pair.value().first), 1000).ok());

  const auto none = Bus::connect("/nonexistent/bus", 1000);
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == Code::failed_precondition);
  CHECK_THAT(none.error().message, Catch::Contains("/nonexistent/bus"));
}

TEST_CASE("signals while a reply is awaited have an end", "[cgroups][dbus]") {
  FakeBus bus([](const Message& call) {
    if (call.member == "Hello") return done(call);
    std::string flood;
    for (int i = 0; i < 100; ++i) flood += job_removed("other.scope", "done");
    return flood + done(call);
  });
  auto connected = bus.connect();
  REQUIRE(connected.ok());
  const auto flooded = connected.value().add_match("x");
  REQUIRE_FALSE(flooded.ok());
  CHECK(flooded.error().code == Code::resource_exhausted);
}
