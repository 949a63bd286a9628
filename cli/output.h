// What slipctl prints: tables for people, JSON for programs, colours on a terminal only.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace slipway::cli {

struct Style {
  bool json = false;
  bool colour = false;    // standard output is a terminal, NO_COLOR is not set
  bool terminal = false;  // standard error is one: progress bars may be drawn
  bool unicode = false;
  unsigned width = 80;
};
Style detect_style(bool json);

enum class Colour { none, green, yellow, red, grey, bold };

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

// Columns as wide as their longest cell; control characters from outside are shown as '?'.
std::string format_table(const std::vector<std::string>& headings, const std::vector<std::vector<Cell>>& rows, bool colour);

std::string human_size(std::uint64_t bytes);           // "12.3 MB", units of 1000
std::string human_age(UnixNanos then, UnixNanos now);  // "5 seconds ago"
std::string short_id(std::string_view id);             // 13 characters, without "sha256:"
std::string printable(std::string_view text);

// A message with its proto field names.
std::string to_json(const google::protobuf::Message& message);
// A line; what is not UTF-8 is replaced.
std::string to_text(const nlohmann::json& value);
// {"key": "value", …}
std::string to_json(const std::vector<std::pair<std::string, std::string>>& fields);

// To standard output; a reader that has gone (EPIPE) is an error.
Result<void> print(std::string_view text);
Result<void> print_to(int fd, std::string_view text);

}  // namespace slipway::cli
