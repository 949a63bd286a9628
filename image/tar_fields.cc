// Tar's three ways to write a number.
#include "image/tar_fields.h"

#include <cstring>

#include "base/text.h"

namespace slipway::image {
namespace {

Result<std::int64_t> base256(const char* field, std::size_t size, const char* what) {
  const bool negative = (field[0] & 0x40) != 0;
  std::uint64_t value = negative ? ~0ULL : 0;
  for (std::size_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(field[i]);
    const std::uint64_t bits = i == 0 ? (negative ? byte | 0x80U : byte & 0x7fU) : byte;
    const std::uint64_t top = value >> 56;
    if (top != (negative ? 0xffU : 0U)) return fail(Code::invalid_argument, "tar: the {} is out of range", what);
    value = value << 8 | bits;
  }
  const auto out = static_cast<std::int64_t>(value);
  if ((out < 0) != negative) return fail(Code::invalid_argument, "tar: the {} is out of range", what);
  return out;
}

Result<std::int64_t> number(const char* field, std::size_t size, const char* what) {
  if ((field[0] & 0x80) != 0) return base256(field, size, what);
  std::string_view text(field, size);
  text = text.substr(0, text.find('\0'));
  text = trim(text, " ");
  if (text.empty()) return 0;
  const auto value = to_number<std::int64_t>(text, 8);
  if (!value || *value < 0) return fail(Code::invalid_argument, "tar: the {} is not an octal number", what);
  return *value;
}

}  // namespace

std::string tar_text(const char* field, std::size_t size) {
  return std::string(field, ::strnlen(field, size));
}

Result<void> tar_check_sum(const char* block) {
  TRY_ASSIGN(const std::int64_t wanted, number(block + 148, 8, "checksum"));
  std::int64_t plain = 0, with_sign = 0;  // historical writers summed signed characters
  for (int i = 0; i < 512; ++i) {
    const char c = i >= 148 && i < 156 ? ' ' : block[i];
    plain += static_cast<unsigned char>(c);
    with_sign += static_cast<signed char>(c);
  }
  if (wanted != plain && wanted != with_sign)
    return fail(Code::invalid_argument, "tar: a header with a wrong checksum: not a tar archive, or a damaged one");
  return {};
}

Result<std::uint64_t> tar_number(const char* field, std::size_t size, const char* what) {
  TRY_ASSIGN(const std::int64_t value, number(field, size, what));
  if (value < 0) return fail(Code::invalid_argument, "tar: the {} is negative", what);
  return static_cast<std::uint64_t>(value);
}

Result<std::uint32_t> tar_id(const char* field, const char* what) {
  TRY_ASSIGN(const std::uint64_t value, tar_number(field, 8, what));
  if (value >= UINT32_MAX) return fail(Code::invalid_argument, "tar: the {} {} is out of range", what, value);
  return static_cast<std::uint32_t>(value);
}

Result<std::int64_t> tar_time(const char* field, std::size_t size) {
  return number(field, size, "time");
}

Result<std::uint64_t> pax_number(std::string_view key, std::string_view text) {
  const auto value = to_number<std::uint64_t>(text);
  if (!value || *value > (1ULL << 62)) return fail(Code::invalid_argument, "tar: PAX {} is not a number in range", key);
  return *value;
}

Result<void> pax_time(std::string_view text, std::int64_t& seconds, std::uint32_t& nanos) {
  const std::string_view whole = text.substr(0, text.find('.'));
  const auto number = to_number<std::int64_t>(whole);
  if (!number) return fail(Code::invalid_argument, "tar: PAX mtime is not a time");
  seconds = *number;
  nanos = 0;
  if (whole.size() == text.size()) return {};
  std::uint32_t scale = 100'000'000;
  for (const char c : text.substr(whole.size() + 1)) {
    if (c < '0' || c > '9') return fail(Code::invalid_argument, "tar: PAX mtime is not a time");
    nanos += static_cast<std::uint32_t>(c - '0') * scale;
    scale /= 10;
  }
  if (text.front() == '-' && nanos > 0) {  // -1.25 is 750 ms after -2
    if (seconds == INT64_MIN) return fail(Code::invalid_argument, "tar: PAX mtime is out of range");
    seconds -= 1;
    nanos = 1'000'000'000 - nanos;
  }
  return {};
}

}  // namespace slipway::image
