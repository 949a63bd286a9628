// Blanks, separators and numbers at the ends of what they take.
#include "base/text.h"

#include <catch2/catch.hpp>
#include <cstdint>

using namespace slipway;

TEST_CASE("trim takes the blanks that it is given, at both ends", "[text]") {
  CHECK(trim(" \t a b\t ", " \t") == "a b");
  CHECK(trim("\na\n", " \t") == "\na\n");
  CHECK(trim("a", " ") == "a");
  CHECK(trim("", " ").empty());
  CHECK(trim(" \t ", " \t").empty());
  CHECK(trim(" a ", "") == " a ");
}

TEST_CASE("cut leaves what follows the separator", "[text]") {
  std::string_view rest = "a::bc";
  CHECK(cut(rest, ':') == "a");
  CHECK(cut(rest, ':').empty());
  CHECK(rest == "bc");
  CHECK(cut(rest, ':') == "bc");
  CHECK(rest.empty());
  CHECK(cut(rest, ':').empty());
  rest = "a:";
  CHECK(cut(rest, ':') == "a");
  CHECK(rest.empty());
}

TEST_CASE("a number is the whole text", "[text]") {
  CHECK(to_number<int>("17") == 17);
  CHECK(to_number<int>("-17") == -17);
  CHECK(to_number<std::uint64_t>("18446744073709551615") == UINT64_MAX);
  CHECK(to_number<unsigned>("0777", 8) == 0777);
  CHECK(to_number<unsigned>("7fF", 16) == 0x7ff);
  for (const char* none : {"", " ", " 1", "1 ", "1\n", "+1", "1a", "a", "--1", "0x1", "-"}) {
    INFO("'" << none << "'");
    CHECK_FALSE(to_number<int>(none));
  }
  CHECK_FALSE(to_number<unsigned>("-1"));
  CHECK_FALSE(to_number<unsigned>("8", 8));
  CHECK_FALSE(to_number<std::uint16_t>("65536"));
  CHECK_FALSE(to_number<std::uint64_t>("18446744073709551616"));
  CHECK_FALSE(to_number<int>(std::string_view("1\0", 2)));
}
