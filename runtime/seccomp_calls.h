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

// Bit n: the kernel takes argument n as a 32-bit number, so what a caller puts into the register's high half means nothing to it and must
// mean nothing to a filter: else ioctl(fd, 1 << 32 | TIOCSTI) passes a rule against TIOCSTI (CVE-2019-10063, CVE-2019-7303).
unsigned int_arguments(std::string_view name);

inline constexpr std::uint32_t kX32Bit = 0x40000000;

}  // namespace slipway::runtime
