// The switches of the weakened programs: compiled for no other.
#include "base/weaken.h"

#include <cstdlib>
#include <cstring>

namespace slipway {
inline namespace weakened_build {
namespace {

constexpr const char* kNames[] = {
#define SLIPWAY_DEFENCE_NAME(name) #name,
    SLIPWAY_DEFENCES(SLIPWAY_DEFENCE_NAME)
#undef SLIPWAY_DEFENCE_NAME
};

}  // namespace

// Also between clone and exec: no heap, no lock.
bool weakened(Defence defence) noexcept {
  const char* list = std::getenv("SLIPWAY_WEAKEN");
  const char* const name = kNames[static_cast<int>(defence)];
  const std::size_t length = std::strlen(name);
  for (; list != nullptr && *list != '\0'; list = std::strchr(list, ',') == nullptr ? nullptr : std::strchr(list, ',') + 1)
    if (std::strncmp(list, name, length) == 0 && (list[length] == ',' || list[length] == '\0')) return true;
  return false;
}

const char* weakening() noexcept {
  const char* const list = std::getenv("SLIPWAY_WEAKEN");
  return list == nullptr ? nullptr : list - std::strlen("SLIPWAY_WEAKEN=");  // getenv points into the entry
}

}  // namespace weakened_build
}  // namespace slipway
