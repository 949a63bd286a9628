// Tables and numbers for people.
#include "cli/output.h"

#include <catch2/catch.hpp>

#include "cli/progress.h"
#include "cri/v1/api.pb.h"

using namespace slipway;
using namespace slipway::cli;
using Catch::Contains;

TEST_CASE("columns are as wide as their longest cell", "[cli]") {
  const auto text = format_table({"ID", "NAME"}, {{{"1"}, {"größer"}}, {{"12345"}, {"b"}}}, false);
  CHECK(text == "ID      NAME\n1       größer\n12345   b\n");
}

TEST_CASE("control characters from outside stay harmless, colours are ours", "[cli]") {
  const auto text = format_table({"NAME"}, {{{"a\033[31mb\n", Colour::green}}}, true);
  CHECK_THAT(text, Contains("\033[32ma?[31mb?\033[0m"));
  CHECK(format_table({"NAME"}, {{{"a", Colour::green}}}, false) == "NAME\na\n");
}

TEST_CASE("sizes are written with one decimal", "[cli]") {
  CHECK(human_size(0) == "0 B");
  CHECK(human_size(999) == "999 B");
  CHECK(human_size(1000) == "1.0 kB");
  CHECK(human_size(999'949) == "999.9 kB");
  CHECK(human_size(999'999) == "1.0 MB");
  CHECK(human_size(1'234'567'890) == "1.2 GB");
  CHECK_THAT(human_size(UINT64_MAX), Contains("PB"));
}

TEST_CASE("ages", "[cli]") {
  constexpr UnixNanos kSecond = 1'000'000'000;
  CHECK(human_age(0, 5) == "-");
  CHECK(human_age(10 * kSecond, 11 * kSecond) == "1 second ago");
  CHECK(human_age(10 * kSecond, 9 * kSecond) == "0 seconds ago");  // the clock was set back
  CHECK(human_age(1, 1 + 7200 * kSecond) == "2 hours ago");
  CHECK(human_age(1, 1 + 86400 * kSecond) == "1 day ago");
}

TEST_CASE("ids are shortened without their algorithm", "[cli]") {
  CHECK(short_id("sha256:0123456789abcdef") == "0123456789abc");
  CHECK(short_id("ab") == "ab");
}

TEST_CASE("JSON has proto's names and every field", "[cli]") {
  ::runtime::v1::ContainerStatus status;
  status.set_id("x");
  const auto text = to_json(status);
  CHECK_THAT(text, Contains("\"log_path\"") && Contains("\"exit_code\": 0"));
  CHECK(to_json({{"name", "a\"b\xff"}}) == "{\"name\":\"a\\\"b\xef\xbf\xbd\"}");
}

TEST_CASE("a progress line fits its width", "[cli]") {
  const std::string digest = "sha256:" + std::string(64, 'a');
  for (const unsigned width : {20U, 50U, 80U, 200U})
    CHECK(format_progress("download", digest, 5'000'000, 10'000'000, width).size() <= width);
  const auto line = format_progress("download", digest, 5'000'000, 10'000'000, 100);
  CHECK_THAT(line, Contains("[====================>                   ]") && Contains("5.0 MB / 10.0 MB"));
  CHECK_THAT(format_progress("download", digest, 10, 10, 100), Contains("[" + std::string(40, '=') + "]"));
  CHECK_THAT(format_progress("download", digest, 20, 10, 100), Contains("[" + std::string(40, '=') + "]"));  // more than was told
  CHECK_THAT(format_progress("resolve", "a/b:1", 0, 0, 100), Contains("resolve") && !Contains("["));
}
