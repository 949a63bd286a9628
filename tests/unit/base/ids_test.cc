// Ids are 64 hex digits; names from outside never become paths of their own.
#include "base/ids.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("ids are long, lower case and differ", "[base]") {
  const std::string a = make_id();
  CHECK(is_full_id(a));
  CHECK(a != make_id());
}

TEST_CASE("names that could leave a directory are refused", "[base]") {
  for (const char* bad : {"", ".", "..", "a/b", "a b", "x\n", "\x7f"}) CHECK_FALSE(check_name("container id", bad).ok());
  CHECK_FALSE(check_name("container id", std::string(1025, 'a')).ok());
  for (const char* good : {"a", "web-1.2_3+x", "..."}) CHECK(check_name("container id", good).ok());
}
