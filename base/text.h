// Pieces of text: blanks around them, what stands before a separator, whole numbers; many made one.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

constexpr std::string_view trim(std::string_view text, std::string_view blanks) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);  // npos + 1 is 0
}

// What stands before the next separator, or all; `rest` is what follows that.
constexpr std::string_view cut(std::string_view& rest, char separator) {
  const std::string_view piece = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(piece.size() + 1, rest.size()));
  return piece;
}

// The pieces of a range of texts, with a separator between them.
template <class Pieces>
std::string join(const Pieces& pieces, std::string_view separator) {
  std::string out;
  for (bool first = true; const auto& piece : pieces) {
    if (!first) out += separator;
    out += piece;
    first = false;
  }
  return out;
}

// A number and nothing else: neither blanks nor '+', and it fits into T.
template <std::integral T>
std::optional<T> to_number(std::string_view text, int base = 10) {
  T number{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, base);
  if (error != std::errc{} || end != last) return std::nullopt;
  return number;
}

}  // namespace slipway
