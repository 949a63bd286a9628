// SPDY/3.1 from a client's bytes to events, and back.
#include <zlib.h>

#include <catch2/catch.hpp>

#include "streaming/bytes.h"
#include "streaming/spdy_session.h"

using namespace slipway;
using namespace slipway::streaming;

namespace {

std::string control(std::uint16_t type, const std::string& body, std::uint8_t flags = 0, std::uint16_t version = 3) {
  std::string out;
  put_u32(out, 0x80000000U | static_cast<std::uint32_t>(version) << 16 | type);
  put_u32(out, static_cast<std::uint32_t>(flags) << 24 | static_cast<std::uint32_t>(body.size()));
  return out + body;
}

std::string data(StreamId id, const std::string& text, bool fin = false) {
  std::string out;
  put_u32(out, id);
  put_u32(out, (fin ? 1U << 24 : 0) | static_cast<std::uint32_t>(text.size()));
  return out + text;
}

std::string words(std::initializer_list<std::uint32_t> values) {
  std::string out;
  for (const auto value : values) put_u32(out, value);
  return out;
}

// What a client is to the session, and what the session says to it.
struct Client final : SpdyEvents {
  void on_stream(StreamId id, const Headers& headers) override {
    log += "open " + std::to_string(id) + " " + std::string(find_header(headers, "streamtype")) + "\n";
    if (accept) session.reply(id);
  }
  void on_data(StreamId id, std::string_view text) override { received[id] += text; }
  void on_finished(StreamId id) override { log += "fin " + std::to_string(id) + "\n"; }
  void on_reset(StreamId id) override { log += "reset " + std::to_string(id) + "\n"; }
  void on_going_away() override { log += "away\n"; }

  std::string syn(StreamId id, const std::string& type, std::uint8_t flags = 0) {
    return control(1, words({id, 0}) + std::string(2, '\0') + writer.write({{"streamtype", type}}).take(), flags);
  }
  Result<void> feed(const std::string& bytes) { return session.feed(bytes); }
  // The frames written so far: their type (0 = data), and take them away.
  std::vector<std::pair<int, std::string>> written() {
    std::vector<std::pair<int, std::string>> frames;
    while (!out.empty()) {
      const std::size_t size = get_u32(out, 4) & 0xffffff;
      const int type = (get_u32(out, 0) & 0x80000000U) != 0 ? static_cast<int>(get_u32(out, 0) & 0xffff) : 0;
      frames.emplace_back(type, out.substr(0, 8 + size));
      out.erase(0, 8 + size);
    }
    return frames;
  }

  bool accept = true;
  std::string log, out;
  std::map<StreamId, std::string> received;
  HeaderWriter writer;
  SpdySession session{*this, [this](const std::string& frame) { out += frame; }};
};

}  // namespace

TEST_CASE("the dictionary is the protocol's", "[streaming]") {
  const std::string& text = spdy_dictionary();
  CHECK(text.size() == 1423);
  CHECK(::adler32(::adler32(0, nullptr, 0), reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())) == 0xe3c6a7c2UL);
}

TEST_CASE("headers go there and back, block after block", "[streaming]") {
  HeaderWriter writer;
  HeaderReader reader;
  for (int i = 0; i < 100; ++i) {
    const Headers headers = {
        {"streamtype", "stdin"}, {"port", std::to_string(i)}, {"requestid", std::string(static_cast<std::size_t>(i) * 10, 'x')}};
    const auto block = writer.write(headers);
    REQUIRE(block.ok());
    const auto back = reader.read(block.value());
    REQUIRE(back.ok());
    CHECK(back.value() == headers);
  }
  const auto none = writer.write({});
  REQUIRE(none.ok());
  CHECK(reader.read(none.value()).value().empty());
}

TEST_CASE("headers are bounded whatever they inflate from", "[streaming]") {
  HeaderWriter writer;
  const auto bomb = writer.write({{"a", std::string(1 << 20, 'a')}});
  REQUIRE(bomb.ok());
  CHECK(bomb.value().size() < 8192);
  HeaderReader reader;
  CHECK_FALSE(reader.read(bomb.value()).ok());
  HeaderWriter many_writer;
  Headers many;
  for (int i = 0; i < 65; ++i) many.emplace_back("h" + std::to_string(i), "");
  HeaderReader many_reader;
  const auto refused = many_reader.read(many_writer.write(many).take());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find("65 headers") != std::string::npos);
  HeaderReader garbage;
  CHECK_FALSE(garbage.read("this is no zlib stream").ok());
}

TEST_CASE("a stream is opened, fed, and ends by halves", "[streaming]") {
  Client client;
  REQUIRE(client.feed(client.syn(1, "stdin") + data(1, "hello ") + data(1, "world", true)).ok());
  CHECK(client.log == "open 1 stdin\nfin 1\n");
  CHECK(client.received[1] == "hello world");
  auto frames = client.written();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].first == 2);
  client.session.send(1, "answer");
  client.session.finish(1);
  frames = client.written();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].second == data(1, "answer"));
  CHECK(frames[1].second == data(1, "", true));
  CHECK(client.session.open_streams() == 0);
  client.session.send(1, "nobody");
  CHECK(client.written().empty());
}

TEST_CASE("frames may be cut anywhere", "[streaming]") {
  Client whole;
  std::string bytes = whole.syn(1, "error");  // one after the other: headers are one zlib stream
  bytes += whole.syn(3, "stdout");
  bytes += data(3, "abc", true) + control(6, words({7})) + control(7, words({0, 0}));
  REQUIRE(whole.feed(bytes).ok());
  Client cut;
  for (const char byte : bytes) REQUIRE(cut.feed(std::string(1, byte)).ok());
  CHECK(cut.log == whole.log);
  CHECK(cut.received == whole.received);
  CHECK(cut.out == whole.out);
  CHECK(whole.log == "open 1 error\nopen 3 stdout\nfin 3\naway\n");
}

TEST_CASE("a reset ends one stream, in either direction", "[streaming]") {
  Client client;
  REQUIRE(client.feed(client.syn(1, "data")).ok());
  REQUIRE(client.feed(client.syn(3, "data") + control(3, words({1, 5})) + data(1, "late") + data(3, "on")).ok());
  CHECK(client.log == "open 1 data\nopen 3 data\nreset 1\n");
  CHECK(client.received.count(1) == 0);
  CHECK(client.received[3] == "on");
  client.written();
  client.session.reset(3, ResetReason::cancel);
  auto frames = client.written();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].second == control(3, words({3, 5})));
  REQUIRE(client.feed(data(3, "under way", true)).ok());
  CHECK(client.received[3] == "on");
  CHECK(client.written().empty());
}

TEST_CASE("pings of the client are answered, ours are not there", "[streaming]") {
  Client client;
  REQUIRE(client.feed(control(6, words({9})) + control(6, words({2}))).ok());
  const auto frames = client.written();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].second == control(6, words({9})));
}

TEST_CASE("a window is given back as data comes", "[streaming]") {
  Client client;
  REQUIRE(client.feed(client.syn(1, "stdin")).ok());
  client.written();
  REQUIRE(client.feed(data(1, std::string(20'000, 'x'))).ok());
  const auto frames = client.written();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].second == control(9, words({1, 20'000})));
  CHECK(frames[1].second == control(9, words({0, 20'000})));
}

TEST_CASE("settings, windows and unknown frames are taken and change nothing", "[streaming]") {
  Client client;
  CHECK(client.feed(control(4, words({1, 7, 65536})) + control(9, words({1, 1})) + control(10, "whatever") + client.syn(1, "error")).ok());
  CHECK(client.log == "open 1 error\n");
}

TEST_CASE("what breaks the protocol ends the connection with GOAWAY", "[streaming]") {
  Client good;
  std::vector<std::string> bad = {
      control(1, "short"),                    // SYN_STREAM of 5 bytes
      control(6, words({1}), 0, 2),           // SPDY/2
      control(2, words({1})),                 // SYN_REPLY
      control(3, words({1})),                 // RST_STREAM without status
      control(4, words({2, 0, 0})),           // one of two settings
      control(9, words({1})),                 // WINDOW_UPDATE without delta
      data(0, "x"),                           // stream 0
      good.syn(2, "error"),                   // a server's id
      control(1, std::string(33'000, '\0')),  // too long
      control(8, words({1}) + "no zlib"),     // HEADERS
  };
  for (const std::string& bytes : bad) {
    Client client;
    CHECK_FALSE(client.feed(bytes).ok());
    const auto frames = client.written();
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].first == 7);
    CHECK_FALSE(client.feed(control(6, words({1}))).ok());
    CHECK(client.written().empty());
  }
  Client twice;
  REQUIRE(twice.feed(twice.syn(3, "error")).ok());
  CHECK_FALSE(twice.feed(twice.syn(3, "stdin")).ok());
}

TEST_CASE("streams are bounded: one too many is refused, the others go on", "[streaming]") {
  Client client;
  for (StreamId id = 1; id < 2 * SpdySession::kMaxStreams; id += 2) REQUIRE(client.feed(client.syn(id, "data")).ok());
  client.written();
  const StreamId next = 2 * SpdySession::kMaxStreams + 1;
  REQUIRE(client.feed(client.syn(next, "data")).ok());
  const auto frames = client.written();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].second == control(3, words({next, 3})));
  REQUIRE(client.feed(data(1, "still here")).ok());
  CHECK(client.received[1] == "still here");
}

TEST_CASE("data for a stream that never was is told so, data after FIN too", "[streaming]") {
  Client client;
  REQUIRE(client.feed(data(5, "x")).ok());
  auto frames = client.written();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].second == control(3, words({5, 2})));
  REQUIRE(client.feed(client.syn(7, "stdin") + data(7, "", true)).ok());
  client.written();
  REQUIRE(client.feed(data(7, "more")).ok());
  frames = client.written();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].second == control(3, words({7, 9})));
}
