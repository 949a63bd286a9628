// Both polarities of an attack on a library: refused with every defence, successful without the one that is named.
#pragma once

#include <cstdlib>

#include <catch2/catch.hpp>

namespace slipway::test {

// `gets_through` makes the attack from the start and says whether it succeeded; `defences` are names of base/weaken.h. The ordinary
// program runs the first half on the released objects, the weakened one both.
template <class Attack>
void check_attack(const char* defences, Attack&& gets_through) {
  INFO("switched off in the second half: " << defences);
  ::unsetenv("SLIPWAY_WEAKEN");
  CHECK_FALSE(gets_through());
#ifdef SLIPWAY_WEAKENED
  ::setenv("SLIPWAY_WEAKEN", defences, 1);
  const bool succeeded = gets_through();
  ::unsetenv("SLIPWAY_WEAKEN");
  CHECK(succeeded);
#endif
}

}  // namespace slipway::test
