// Counters of links: the kernel's table, and a namespace's.
#include "sys/link_counters.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "sys/file.h"

using namespace slipway;

namespace {

constexpr const char* kTable =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
    "    lo:     840      10    0    0    0     0          0         0      840      10    0    0    0     0       0          0\n"
    "  eth0:123456789012    1500    1    2    0     0          0         7   654321     900    3    4    0     0       0          0\n";

}  // namespace

TEST_CASE("the kernel's table of links is read by its columns", "[sys]") {
  const auto links = sys::parse_link_counters(kTable);
  REQUIRE(links.ok());
  REQUIRE(links.value().size() == 2);
  const sys::LinkCounters& eth0 = links.value()[1];
  CHECK(eth0.name == "eth0");
  CHECK(eth0.rx_bytes == 123456789012);
  CHECK(eth0.rx_packets == 1500);
  CHECK(eth0.rx_errors == 1);
  CHECK(eth0.rx_dropped == 2);
  CHECK(eth0.tx_bytes == 654321);
  CHECK(eth0.tx_packets == 900);
  CHECK(eth0.tx_errors == 3);
  CHECK(eth0.tx_dropped == 4);
  CHECK(sys::parse_link_counters("").value().empty());
  CHECK_FALSE(sys::parse_link_counters("a\nb\n eth0 1 2\n").ok());
  CHECK_FALSE(sys::parse_link_counters("a\nb\n eth0: 1 2 x\n").ok());
}

// Of a pod that may make links.
TEST_CASE("names and number of links are bounded, whatever a pod calls them", "[sys]") {
  std::string table = "a\nb\n";
  for (const char* name : {"\xff\xfe", "\\xff", "\x1b[2J", "eth0"})
    table += std::string(name) + ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
  auto links = sys::parse_link_counters(table);
  REQUIRE(links.ok());
  REQUIRE(links.value().size() == 4);
  CHECK(links.value()[0].name == "\\xff\\xfe");
  CHECK(links.value()[1].name == "\\x5cxff");
  CHECK(links.value()[2].name == "\\x1b[2J");
  CHECK(links.value()[3].name == "eth0");
  for (int i = 0; i < 1000; ++i) table += "d" + std::to_string(i) + ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
  links = sys::parse_link_counters(table);
  REQUIRE(links.ok());
  CHECK(links.value().size() == 64);
}

TEST_CASE("a thread of its own reads the links of a namespace (root)", "[sys]") {
  const auto own = sys::open_path("/proc/self/ns/net", O_RDONLY);
  REQUIRE(own.ok());
  Result<std::vector<sys::LinkCounters>> links = fail(Code::internal, "nothing was read");
  std::thread([&] { links = sys::enter_and_read_link_counters(own.value()); }).join();
  if (::geteuid() == 0) {
    REQUIRE(links.ok());
    for (const auto& link : links.value()) CHECK(link.name != "lo");
  } else {
    CHECK(links.error().code == Code::permission_denied);
  }
}
