// CRI log entries out of bytes.
#include "monitor/log_format.h"

#include <algorithm>
#include <cstring>

namespace slipway::monitor {
namespace {

void put_digits(char* out, std::uint64_t value, int width) {
  for (int i = width - 1; i >= 0; --i, value /= 10) out[i] = static_cast<char>('0' + value % 10);
}

struct Date {
  std::int64_t year;
  unsigned month, day;
};

// Days since 1970-01-01 as a Gregorian date. Years are counted from March, so that the leap day ends them.
Date date_of(std::int64_t days) {
  constexpr std::int64_t kEra = 146097;        // days of 400 years
  const std::int64_t shifted = days + 719468;  // since 0000-03-01
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - (kEra - 1)) / kEra;
  const auto day_of_era = static_cast<unsigned>(shifted - era * kEra);
  const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned march_month = (5 * day_of_year + 2) / 153;
  const unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
  return {static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0), month, day_of_year - (153 * march_month + 2) / 5 + 1};
}

}  // namespace

void format_time(UnixNanos time, std::span<char, kTimeLength> out) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kDay = 86400;
  std::int64_t seconds = time / kSecond;
  std::int64_t nanos = time % kSecond;
  if (nanos < 0) {
    nanos += kSecond;
    --seconds;
  }
  std::int64_t days = seconds / kDay;
  std::int64_t rest = seconds % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  const Date date = date_of(days);
  std::memcpy(out.data(), "0000-00-00T00:00:00.000000000Z", kTimeLength);
  put_digits(&out[0], static_cast<std::uint64_t>(date.year), 4);
  put_digits(&out[5], date.month, 2);
  put_digits(&out[8], date.day, 2);
  put_digits(&out[11], static_cast<std::uint64_t>(rest / 3600), 2);
  put_digits(&out[14], static_cast<std::uint64_t>(rest / 60 % 60), 2);
  put_digits(&out[17], static_cast<std::uint64_t>(rest % 60), 2);
  put_digits(&out[20], static_cast<std::uint64_t>(nanos), 9);
}

void LogBatch::add(std::string_view prefix, std::string_view first, std::string_view second) {
  std::size_t end = bytes();
  for (const std::string_view part : {prefix, first, second}) {
    if (part.empty()) continue;
    parts[part_count++] = {const_cast<char*>(part.data()), part.size()};
    end += part.size();
  }
  ends[entry_count++] = end;
}

void LogFormatter::set_time(UnixNanos time) {
  format_time(time, std::span<char, kTimeLength>(whole_, kTimeLength));
  std::memcpy(whole_ + kTimeLength, stream_ == Stream::out ? " stdout F " : " stderr F ", kPrefix - kTimeLength);
  std::memcpy(piece_, whole_, kPrefix);
  piece_[kPrefix - 2] = 'P';
}

std::string_view LogFormatter::prefix(char tag) {
  return {tag == 'F' ? whole_ : piece_, kPrefix};
}

void LogFormatter::feed(std::string_view data, UnixNanos time, LogBatch& batch, LogOutput& output) {
  set_time(time);
  batch.clear();
  // The held begin belongs to the first entry; it may not be overwritten before that entry's batch is written.
  std::string_view begin(hold_.data(), held_);
  while (true) {
    const std::size_t room = kMaxLine - begin.size();
    // One byte beyond the room: a line of exactly kMaxLine bytes is whole.
    const void* newline = data.empty() ? nullptr : std::memchr(data.data(), '\n', std::min(data.size(), room + 1));
    if (newline == nullptr && data.size() <= room) break;
    if (batch.entry_count + 2 > LogBatch::kEntries || batch.part_count + 4 > batch.parts.size()) {
      output.write(batch);
      batch.clear();
    }
    if (newline != nullptr) {
      const std::size_t length = static_cast<std::size_t>(static_cast<const char*>(newline) - data.data()) + 1;
      batch.add(prefix('F'), begin, data.substr(0, length));
      data.remove_prefix(length);
    } else {
      // A full piece: prefix, held begin, the rest, and a newline that the reader takes away again.
      batch.add(prefix('P'), begin, data.substr(0, room));
      batch.parts[batch.part_count++] = {const_cast<char*>("\n"), 1};
      ++batch.ends[batch.entry_count - 1];
      data.remove_prefix(room);
    }
    begin = {};
    held_ = 0;
  }
  if (batch.entry_count > 0) output.write(batch);
  std::memcpy(hold_.data() + held_, data.data(), data.size());
  held_ += data.size();
}

void LogFormatter::flush(UnixNanos time, LogBatch& batch, LogOutput& output) {
  if (held_ == 0) return;
  set_time(time);
  batch.clear();
  batch.add(prefix('P'), {hold_.data(), held_}, "\n");
  output.write(batch);
  held_ = 0;
}

}  // namespace slipway::monitor
