// CRI log entries: every way a stream can be cut must give the same lines back.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/time.h"
#include "monitor/log_format.h"

using namespace slipway;
using namespace slipway::monitor;

namespace {

constexpr UnixNanos kTime = 1'795'294'211'123'456'789;

struct Entry {
  std::string time, stream, tag, content;
};

class Collect final : public LogOutput {
 public:
  void write(const LogBatch& batch) override {
    ++batches;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < batch.part_count; ++i) {
      text.append(static_cast<const char*>(batch.parts[i].iov_base), batch.parts[i].iov_len);
      bytes += batch.parts[i].iov_len;
    }
    CHECK(bytes == batch.bytes());
    for (std::size_t i = 0; i + 1 < batch.entry_count; ++i) CHECK(batch.ends[i] < batch.ends[i + 1]);
    entries += batch.entry_count;
  }
  std::string text;
  std::size_t entries = 0;
  int batches = 0;
};

struct Harness {
  explicit Harness(Stream stream = Stream::out) : formatter(stream, std::span<char>(hold)) {}
  void feed(std::string_view data) { formatter.feed(data, kTime, batch, output); }
  void flush() { formatter.flush(kTime, batch, output); }
  // What a reader of the file sees, entry by entry.
  std::vector<Entry> read() const {
    std::vector<Entry> out;
    std::size_t at = 0;
    while (at < output.text.size()) {
      const std::size_t end = output.text.find('\n', at);
      REQUIRE(end != std::string::npos);
      const std::string line = output.text.substr(at, end - at);
      REQUIRE(line.size() >= kTimeLength + 10);
      out.push_back(
          {line.substr(0, kTimeLength), line.substr(kTimeLength + 1, 6), line.substr(kTimeLength + 8, 1), line.substr(kTimeLength + 10)});
      at = end + 1;
    }
    CHECK(out.size() == output.entries);
    return out;
  }
  std::vector<char> hold = std::vector<char>(kMaxLine);
  LogFormatter formatter;
  LogBatch batch;
  Collect output;
};

// As the kubelet does: pieces are joined, a whole line gets its newline back.
std::string join(const std::vector<Entry>& entries) {
  std::string out;
  for (const Entry& e : entries) out += e.content + (e.tag == "F" ? "\n" : "");
  return out;
}

}  // namespace

TEST_CASE("a line is one whole entry", "[monitor]") {
  Harness h;
  h.feed("hello world\n");
  CHECK(h.output.text == "2026-11-21T20:50:11.123456789Z stdout F hello world\n");
  CHECK(h.formatter.held() == 0);
}

TEST_CASE("the stream's name is in the entry", "[monitor]") {
  Harness h(Stream::err);
  h.feed("oops\n");
  CHECK(h.output.text == "2026-11-21T20:50:11.123456789Z stderr F oops\n");
}

TEST_CASE("times are written as base/time.h writes them", "[monitor]") {
  for (const UnixNanos time : {UnixNanos{0}, UnixNanos{1}, UnixNanos{951'782'399'999'999'999}, UnixNanos{951'868'800'000'000'000},
                               UnixNanos{1'709'164'800'000'000'000}, UnixNanos{4'102'444'799'000'000'001}, kTime, UnixNanos{-1}}) {
    char text[kTimeLength];
    format_time(time, std::span<char, kTimeLength>(text));
    CHECK(std::string(text, kTimeLength) == to_rfc3339(time));
  }
}

TEST_CASE("many lines of one read are few batches", "[monitor]") {
  Harness h;
  std::string data;
  for (int i = 0; i < 1000; ++i) data += std::to_string(i) + "\n";
  h.feed(data);
  const auto entries = h.read();
  REQUIRE(entries.size() == 1000);
  CHECK(entries[999].content == "999");
  CHECK(join(entries) == data);
  CHECK(h.output.batches <= static_cast<int>(1000 / LogBatch::kEntries) + 1);
}

TEST_CASE("a line in several reads is one entry", "[monitor]") {
  Harness h;
  h.feed("one ");
  CHECK(h.output.text.empty());
  h.feed("two ");
  h.feed("three\nfour");
  REQUIRE(h.read().size() == 1);
  CHECK(h.read()[0].content == "one two three");
  CHECK(h.formatter.held() == 4);
  h.feed("\n");
  CHECK(h.read()[1].content == "four");
}

TEST_CASE("the end of the stream in the middle of a line gives a piece", "[monitor]") {
  Harness h;
  h.feed("whole\nrest");
  h.flush();
  const auto entries = h.read();
  REQUIRE(entries.size() == 2);
  CHECK(entries[1].tag == "P");
  CHECK(entries[1].content == "rest");
  h.flush();
  CHECK(h.read().size() == 2);
}

TEST_CASE("what follows a flushed piece completes its line for the reader", "[monitor]") {
  Harness h;
  h.feed("rest");
  h.flush();
  h.feed(" of it\n");
  CHECK(join(h.read()) == "rest of it\n");
}

TEST_CASE("NUL, carriage return and bytes that are no UTF-8 pass unchanged", "[monitor]") {
  Harness h;
  const std::string data("a\0b\r\n\xff\xfe\0\n", 9);
  h.feed(data);
  CHECK(join(h.read()) == data);
}

TEST_CASE("empty lines are entries without content", "[monitor]") {
  Harness h;
  h.feed("\n\n\n");
  const auto entries = h.read();
  REQUIRE(entries.size() == 3);
  for (const Entry& e : entries) CHECK((e.tag == "F" && e.content.empty()));
}

TEST_CASE("a line of exactly the limit is whole, one byte more is split", "[monitor]") {
  const std::size_t extra = GENERATE(std::size_t{0}, std::size_t{1});
  const std::string line = std::string(kMaxLine + extra, 'x') + "\n";
  const std::size_t step = GENERATE(std::size_t{1}, std::size_t{4096}, std::size_t{kMaxLine}, std::size_t{1 << 20});
  Harness h;
  for (std::size_t at = 0; at < line.size(); at += step) h.feed(std::string_view(line).substr(at, step));
  const auto entries = h.read();
  REQUIRE(entries.size() == 1 + extra);
  CHECK(entries[0].tag == (extra == 0 ? "F" : "P"));
  CHECK(entries.back().tag == "F");
  CHECK(entries[0].content.size() == kMaxLine);
  CHECK(join(entries) == line);
}

TEST_CASE("a huge line is pieces of the limit", "[monitor]") {
  Harness h;
  std::string line;
  for (int i = 0; line.size() < 10 * kMaxLine + 123; ++i) line += std::to_string(i);
  line += '\n';
  for (std::size_t at = 0; at < line.size(); at += 32 * 1024) h.feed(std::string_view(line).substr(at, 32 * 1024));
  const auto entries = h.read();
  for (std::size_t i = 0; i + 1 < entries.size(); ++i) CHECK((entries[i].tag == "P" && entries[i].content.size() == kMaxLine));
  CHECK(join(entries) == line);
}

TEST_CASE("however a stream is cut, the reader gets the same bytes", "[monitor]") {
  // A fixed mixture of short, empty, long and huge lines, cut at pseudo-random places.
  std::string data;
  std::uint32_t state = GENERATE(1U, 2U, 3U, 4U, 5U);
  const auto next = [&state](std::uint32_t below) { return (state = state * 1664525U + 1013904223U) / 65536U % below; };
  while (data.size() < 400'000) {
    const std::uint32_t kind = next(10);
    data += std::string(kind < 7 ? next(100) : kind < 9 ? next(20'000) : next(50'000), static_cast<char>('a' + next(26)));
    data += '\n';
  }
  data += "no newline at the end";
  Harness h;
  for (std::size_t at = 0; at < data.size();) {
    const std::size_t step = 1 + next(32 * 1024);
    h.feed(std::string_view(data).substr(at, step));
    at += step;
  }
  h.flush();
  CHECK(join(h.read()) == data);
}
