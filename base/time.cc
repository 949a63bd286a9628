// Clocks and the RFC 3339 text of a point in time.
#include "base/time.h"

#include <chrono>
#include <ctime>

#include "base/format.h"

namespace slipway {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t read_clock(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);  // cannot fail for these clocks
  return t.tv_sec * kSecond + t.tv_nsec;
}

}  // namespace

UnixNanos now_realtime() {
  return read_clock(CLOCK_REALTIME);
}
MonotonicNanos now_monotonic() {
  return read_clock(CLOCK_MONOTONIC);
}

std::string to_rfc3339(UnixNanos time) {
  // Not gmtime(3): it reads the zone file first, six system calls.
  const std::chrono::sys_time<std::chrono::nanoseconds> point{std::chrono::nanoseconds(time)};
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::nanoseconds> clock(point - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<UnixNanos> parse_rfc3339(std::string_view text) {
  const std::string copy(text);
  std::tm tm{};
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == nullptr) return fail(Code::invalid_argument, "'{}' is not an RFC 3339 time", text);
  std::int64_t nanos = 0;
  if (*rest == '.') {
    ++rest;
    std::int64_t unit = kSecond / 10;
    for (; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) nanos += (*rest - '0') * unit;
  }
  std::int64_t offset = 0;
  if (*rest == '+' || *rest == '-') {
    int hours = 0;
    int minutes = 0;
    if (std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) != 2)
      return fail(Code::invalid_argument, "'{}' is not an RFC 3339 time: bad zone", text);
    offset = (*rest == '-' ? -1 : 1) * (hours * std::int64_t{3600} + minutes * std::int64_t{60});
  } else if (*rest != 'Z' && *rest != 'z') {
    return fail(Code::invalid_argument, "'{}' is not an RFC 3339 time: no zone", text);
  }
  return (::timegm(&tm) - offset) * kSecond + nanos;
}

}  // namespace slipway
