// Times go to RFC 3339 text and back.
#include "base/time.h"

#include <catch2/catch.hpp>

using namespace slipway;

TEST_CASE("times have nine digits and come back", "[base]") {
  CHECK(to_rfc3339(0) == "1970-01-01T00:00:00.000000000Z");
  const UnixNanos t = 1'763'758'211'123'456'789;
  CHECK(parse_rfc3339(to_rfc3339(t)).value() == t);
}

TEST_CASE("zones and short fractions are read", "[base]") {
  CHECK(parse_rfc3339("1970-01-01T02:00:00.5+02:00").value() == 500'000'000);
  CHECK_FALSE(parse_rfc3339("1970-01-01").ok());
  CHECK_FALSE(parse_rfc3339("1970-01-01T00:00:00").ok());
}
