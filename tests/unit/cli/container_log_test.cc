// CRI log lines: parsing, tails, following across a rotation.
#include "cli/container_log.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <vector>

using namespace slipway;
using namespace slipway::cli;
using Catch::Contains;

namespace {

struct TempDir {
  TempDir() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TempDir() {
    for (const char* name : {"/log", "/log.1"}) (void)::unlink((path + name).c_str());
    (void)::rmdir(path.c_str());
  }
  std::string path = "/tmp/slipctl-log-XXXXXX";
};

const std::string kTime = "2026-11-21T20:50:11.123456789Z ";

void append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text;
}

std::vector<std::string> read_all(LogReader& reader) {
  std::vector<std::string> out;
  const auto result = reader.read([&](const LogLine& line) -> Result<void> {
    out.push_back((line.is_stderr ? "E" : "O") + std::string(line.partial ? "P:" : "F:") + std::string(line.content));
    return {};
  });
  REQUIRE(result.ok());
  return out;
}

}  // namespace

TEST_CASE("a line has time, stream, tags, content", "[cli]") {
  const std::string text = kTime + "stderr F:extra  two  blanks ";
  const auto line = parse_log_line(text);
  REQUIRE(line.ok());
  CHECK(line.value().time == kTime.substr(0, kTime.size() - 1));
  CHECK(line.value().is_stderr);
  CHECK_FALSE(line.value().partial);
  CHECK(line.value().content == " two  blanks ");
  const std::string empty = kTime + "stdout P ";
  CHECK(parse_log_line(empty).value().content.empty());
  CHECK(parse_log_line(empty).value().partial);
  CHECK_FALSE(parse_log_line("{\"log\":\"docker\"}").ok());
  CHECK_FALSE(parse_log_line(kTime + "stdout X text").ok());
}

TEST_CASE("whole lines are handed over, a half written one waits", "[cli]") {
  TempDir dir;
  const std::string path = dir.path + "/log";
  append(path, kTime + "stdout F one\n" + kTime + "stdout P tw");
  auto reader = LogReader::open(path);
  REQUIRE(reader.ok());
  CHECK(read_all(reader.value()) == std::vector<std::string>{"OF:one"});
  CHECK(read_all(reader.value()).empty());
  append(path, "o\n" + kTime + "stderr F err\n");
  CHECK(read_all(reader.value()) == std::vector<std::string>{"OP:two", "EF:err"});
}

TEST_CASE("a rotation loses nothing", "[cli]") {
  TempDir dir;
  const std::string path = dir.path + "/log";
  append(path, kTime + "stdout F one\n");
  auto reader = LogReader::open(path);
  REQUIRE(reader.ok());
  CHECK(read_all(reader.value()) == std::vector<std::string>{"OF:one"});
  append(path, kTime + "stdout F two\n");
  REQUIRE(::rename(path.c_str(), (path + ".1").c_str()) == 0);
  append(path + ".1", kTime + "stdout F three\n");
  append(path, kTime + "stdout F four\n");
  CHECK(read_all(reader.value()) == std::vector<std::string>{"OF:two", "OF:three", "OF:four"});
  append(path, kTime + "stdout F five\n");
  CHECK(read_all(reader.value()) == std::vector<std::string>{"OF:five"});
}

TEST_CASE("a tail counts lines, not pieces", "[cli]") {
  TempDir dir;
  const std::string path = dir.path + "/log";
  append(path, kTime + "stdout F a\n" + kTime + "stdout P b1\n" + kTime + "stdout F b2\n" + kTime + "stdout F c\n");
  const auto tail = [&](std::size_t lines) {
    auto reader = LogReader::open(path);
    REQUIRE(reader.ok());
    REQUIRE(reader.value().seek_tail(lines).ok());
    return read_all(reader.value());
  };
  CHECK(tail(2) == std::vector<std::string>{"OP:b1", "OF:b2", "OF:c"});
  CHECK(tail(1) == std::vector<std::string>{"OF:c"});
  CHECK(tail(0).empty());
  CHECK(tail(99).size() == 4);
}

TEST_CASE("a writer wakes who waits", "[cli]") {
  TempDir dir;
  const std::string path = dir.path + "/log";
  append(path, "");
  auto reader = LogReader::open(path);
  REQUIRE(reader.ok());
  append(path, kTime + "stdout F one\n");
  reader.value().wait(60'000);  // the event is there already: a minute's wait would fail the test's time limit
  CHECK(read_all(reader.value()).size() == 1);
}

TEST_CASE("lines without an end are refused, absent files named", "[cli]") {
  TempDir dir;
  const std::string path = dir.path + "/log";
  append(path, std::string(2 << 20, 'x'));
  auto reader = LogReader::open(path);
  REQUIRE(reader.ok());
  const auto result = reader.value().read([](const LogLine&) -> Result<void> { return {}; });
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Code::data_loss);
  const auto none = LogReader::open(dir.path + "/none");
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == Code::not_found);
  CHECK_THAT(none.error().message, Contains("/none"));
}
