// Diagnostic lines of the programs on stderr, as text or JSON. Libraries return errors; only owners of an operation log.
//
// Any thread; one write(2) per line, so lines never mix.
#pragma once

#include <string_view>

#include "base/format.h"
#include "base/result.h"

namespace slipway::log {

enum class Level : int { debug, info, warn, error };
enum class Format : int { text, json };

void set_level(Level level);
void set_format(Format format);
Result<Level> parse_level(std::string_view text);    // "debug" "info" "warn" "error"
Result<Format> parse_format(std::string_view text);  // "text" "json"
bool enabled(Level level);
void write(Level level, std::string_view message);

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
