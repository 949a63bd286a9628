// Names and numbers of the system calls that this build knows. Internal to the seccomp compiler and its tests.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace slipway::runtime {

struct SeccompCall {
  std::string_view name;
  std::int16_t x86_64 = -1;
  std::int16_t x86 = -1;
  std::int16_t x32 = -1;
};

const SeccompCall* find_call(std::string_view name);
std::span<const SeccompCall> all_calls();

inline constexpr std::uint32_t kX32Bit = 0x40000000;

}  // namespace slipway::runtime
