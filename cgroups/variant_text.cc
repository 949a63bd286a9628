// GVariant's text as values.
#include "cgroups/variant_text.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <optional>

#include "base/text.h"

namespace slipway::cgroups {
namespace {

constexpr std::size_t kMost = 64 << 10;

struct Named {
  std::string_view word;
  char type;
};
constexpr Named kTypes[] = {{"boolean", 'b'}, {"byte", 'y'},   {"int16", 'n'},  {"uint16", 'q'}, {"int32", 'i'},      {"uint32", 'u'},
                            {"int64", 'x'},   {"uint64", 't'}, {"double", 'd'}, {"string", 's'}, {"objectpath", 'o'}, {"signature", 'g'}};

struct Range {
  std::int64_t least;
  std::uint64_t most;
};

std::optional<Range> range_of(char type) {
  switch (type) {
    case 'y': return Range{0, UINT8_MAX};
    case 'n': return Range{INT16_MIN, INT16_MAX};
    case 'q': return Range{0, UINT16_MAX};
    case 'i': return Range{INT32_MIN, INT32_MAX};
    case 'u': return Range{0, UINT32_MAX};
    case 'x': return Range{INT64_MIN, INT64_MAX};
    case 't': return Range{0, UINT64_MAX};
    default: return std::nullopt;
  }
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "7", "-7", "0x1f", "017", "1.5", "2e3".
Result<std::uint64_t> number_of(std::string_view text, char type) {
  const std::string shown(text);
  const char* const end = text.data() + text.size();
  if (type == 'd') {
    double value = 0;
    const bool plus = text.starts_with('+');
    const auto [stop, error] = std::from_chars(text.data() + (plus ? 1 : 0), end, value);
    if (error != std::errc{} || stop != end || text.starts_with("+-")) return fail(Code::invalid_argument, "'{}' is no number", shown);
    return std::bit_cast<std::uint64_t>(value);
  }
  const auto range = range_of(type);
  if (!range) return fail(Code::invalid_argument, "'{}' is a number, and the type is '{}'", shown, type);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with('0') && text.size() > 1) {
    base = 8;
    text.remove_prefix(1);
  }
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error == std::errc::invalid_argument || stop != end) return fail(Code::invalid_argument, "'{}' is no number", shown);
  const std::uint64_t least = 0 - static_cast<std::uint64_t>(range->least);  // its absolute value
  if (error != std::errc{} || value > (negative ? least : range->most))
    return fail(Code::invalid_argument, "'{}' is out of the range of its type '{}'", shown, type);
  return negative ? 0 - value : value;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[more] | (code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text), all_(text.size()) {}

  Result<Literal> whole() {
    Literal out;
    TRY_ASSIGN(const std::string type, annotation());
    skip();
    if (rest_.starts_with('[')) {
      TRY(array(type, out));
    } else {
      if (type.size() > 1) return wrong("an array is wanted");
      out.type = type;
      TRY(item(out));
    }
    skip();
    if (!rest_.empty()) return wrong("there is more behind the value");
    return out;
  }

 private:
  Error wrong(std::string_view what) const { return fail(Code::invalid_argument, "at character {}: {}", all_ - rest_.size(), what); }

  void skip() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n')) rest_.remove_prefix(1);
  }

  // "uint64", "@as"; "" where there is none.
  Result<std::string> annotation() {
    skip();
    if (rest_.starts_with('@')) {
      const std::string type(rest_.substr(1, rest_.find(' ') - 1));
      const std::string_view basic = std::string_view(type).substr(type.starts_with('a') ? 1 : 0);
      if (basic.size() != 1 || !std::ranges::any_of(kTypes, [&](const Named& named) { return named.type == basic[0]; }))
        return wrong("this type is not known here");
      rest_.remove_prefix(1 + type.size());
      return type;
    }
    for (const Named& named : kTypes) {
      if (!rest_.starts_with(named.word) || rest_.size() == named.word.size() || rest_[named.word.size()] != ' ') continue;
      rest_.remove_prefix(named.word.size());
      return std::string(1, named.type);
    }
    return std::string();
  }

  // One more value of out.type, or of the type it has where nothing says it.
  Result<void> item(Literal& out) {
    TRY_ASSIGN(const std::string said, annotation());
    if (said.size() > 1 || (!said.empty() && !out.type.empty() && said != out.type)) return wrong("another type than before");
    if (!said.empty()) out.type = said;
    skip();
    if (rest_.starts_with('\'') || rest_.starts_with('"')) return string(out);
    std::size_t end = 0;
    while (end < rest_.size() && std::string_view(" ,]\t\n").find(rest_[end]) == std::string_view::npos) ++end;
    const std::string_view word = rest_.substr(0, end);
    if (word == "true" || word == "false") {
      TRY(settle(out, "b"));
      out.numbers.push_back(word == "true" ? 1 : 0);
    } else {
      if (word.empty() || !(is_digit(word[0]) || word[0] == '-' || word[0] == '+' || word[0] == '.'))
        return wrong("a number, a string, true, false or an array is wanted");
      if (out.type.empty()) out.type = word.find_first_of(".eE") != std::string_view::npos && !word.starts_with("0x") ? "d" : "i";
      TRY_ASSIGN(const std::uint64_t number, number_of(word, out.type[0]));
      out.numbers.push_back(number);
    }
    rest_.remove_prefix(end);
    return {};
  }

  Result<void> settle(Literal& out, const char* type) {
    if (out.type.empty()) out.type = type;
    if (out.type != type) return wrong("another type than is said");
    return {};
  }

  Result<void> string(Literal& out) {
    if (out.type.empty()) out.type = "s";
    if (out.type != "s" && out.type != "o" && out.type != "g") return wrong("a string, and its type is another");
    const char quote = rest_.front();
    std::string text;
    for (rest_.remove_prefix(1); !rest_.starts_with(quote);) {
      if (rest_.empty()) return wrong("the string does not end");
      if (rest_.front() == '\0') return wrong("a NUL cannot be sent");
      if (rest_.front() == '\\') {
        TRY(escape(text));
        continue;
      }
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    rest_.remove_prefix(1);
    out.strings.push_back(std::move(text));
    return {};
  }

  Result<void> escape(std::string& text) {
    constexpr std::pair<char, char> kPlain[] = {{'a', '\a'}, {'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'v', '\v'}};
    if (rest_.size() < 2) return wrong("the string does not end");
    const char letter = rest_[1];
    const std::size_t digits = letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (digits == 0) {
      const auto* plain = std::find_if(std::begin(kPlain), std::end(kPlain), [&](const auto& one) { return one.first == letter; });
      text += plain == std::end(kPlain) ? letter : plain->second;
      rest_.remove_prefix(2);
      return {};
    }
    const std::string_view hex = rest_.substr(2, digits);
    const auto code = to_number<std::uint32_t>(hex, 16);
    if (hex.size() != digits || !code || *code == 0 || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000))
      return wrong("this is no character");
    append_utf8(text, *code);
    rest_.remove_prefix(2 + digits);
    return {};
  }

  // `type` is empty or an array's. The first element says what nothing else says.
  Result<void> array(const std::string& type, Literal& out) {
    if (!type.empty() && !type.starts_with('a')) return wrong("an array, and its type is another");
    out.type = type.empty() ? "" : type.substr(1);
    rest_.remove_prefix(1);
    skip();
    if (rest_.starts_with(']') && out.type.empty()) return wrong("an empty array needs its type: @as []");
    while (!rest_.starts_with(']')) {
      TRY(item(out));
      skip();
      if (!rest_.starts_with(',') && !rest_.starts_with(']')) return wrong("',' or ']' is wanted");
      if (rest_.starts_with(',')) rest_.remove_prefix(1);
      skip();
    }
    rest_.remove_prefix(1);
    out.type.insert(0, 1, 'a');
    return {};
  }

  std::string_view rest_;
  std::size_t all_;
};

}  // namespace

Result<Literal> parse_variant_text(std::string_view text) {
  if (text.size() > kMost) return fail(Code::invalid_argument, "{} characters are too many", text.size());
  return Parser(text).whole();
}

}  // namespace slipway::cgroups
