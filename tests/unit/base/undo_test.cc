// Undo runs everything, last first, whatever fails.
#include "base/undo.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("undo runs every step in reverse, also after a failure", "[base]") {
  std::string order;
  {
    Undo undo;
    CHECK(undo.add("first",
                   [&]() -> Result<void> {
                     order += '1';
                     return {};
                   })
              .ok());
    CHECK(undo.add("second",
                   [&]() -> Result<void> {
                     order += '2';
                     return fail(Code::internal, "broken");
                   })
              .ok());
    CHECK(undo.add("third",
                   [&]() -> Result<void> {
                     order += '3';
                     return {};
                   })
              .ok());
    const auto failed = undo.run();
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].message == "undo second: broken");
  }
  CHECK(order == "321");
}

TEST_CASE("a dismissed undo does nothing", "[base]") {
  bool ran = false;
  {
    Undo undo;
    CHECK(undo.add("step",
                   [&]() -> Result<void> {
                     ran = true;
                     return {};
                   })
              .ok());
    undo.dismiss();
  }
  CHECK_FALSE(ran);
}
