// /proc/PID/stat, and names that look like one.
#include "sys/process_stat.h"

#include <catch2/catch.hpp>

using slipway::sys::stat_field;
using slipway::sys::stat_number;

TEST_CASE("fields of /proc/PID/stat come after a name that may hold anything", "[sys]") {
  constexpr std::string_view kStat = "71 (a) S 9 (b) R 1 71 70 34816 -1 4194560\n";
  CHECK(stat_field(kStat, 3) == "R");
  CHECK(stat_number(kStat, 4) == 1);
  CHECK(stat_field(kStat, 8) == "-1");
  CHECK(stat_number(kStat, 8) == 0);
  CHECK(stat_number(kStat, 9) == 4194560);
  CHECK(stat_field(kStat, 10).empty());
  CHECK(stat_number(kStat, 10) == 0);
  CHECK(stat_field(kStat, 2).empty());
  for (const std::string_view none : {"", "71", "71 (a", "71 (a)", "71 (a) "}) CHECK(stat_field(none, 3).empty());
}
