// Diagnostic lines of the programs on stderr, as text or JSON. Libraries return errors; only owners of an operation log.
//
// Any thread; one write(2) per line, so lines never mix.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/format.h"
#include "base/result.h"
#include "base/time.h"

namespace slipway::log {

enum class Level : int { debug, info, warn, error };
enum class Format : int { text, json };

void set_level(Level level);
void set_format(Format format);
Result<Level> parse_level(std::string_view text);    // "debug" "info" "warn" "error"
Result<Format> parse_format(std::string_view text);  // "text" "json"
bool enabled(Level level);
void write(Level level, std::string_view message);

// What happened to whom, as fields: words of a text line, keys of a JSON one.
struct Field {
  std::string_view name;  // letters only
  std::variant<std::string, std::int64_t> value;
};
using Fields = std::initializer_list<Field>;
std::string format_event(Format format, UnixNanos time, std::string_view what, Fields fields);
void event(std::string_view what, Fields fields);  // of level info

template <class... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace slipway::log
