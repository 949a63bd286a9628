// The JSON reader: one pass, recursion bounded by the depth limit.
#include "oci/json.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "oci/json_writer.h"

namespace slipway::oci::json {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
// What stands for itself in a string, whatever the rest of the text says; read and written alike.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The length of the UTF-8 character at `p`, 0 if there is none (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
std::size_t utf8_length(const char* p, const char* end) {
  const auto at = [&](int i) { return p + i < end ? static_cast<unsigned char>(p[i]) : 0U; };
  const auto tail = [&](int i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned a = at(0);
  if (a >= 0xC2 && a <= 0xDF) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    if ((a == 0xE0 && at(1) < 0xA0) || (a == 0xED && at(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    if ((a == 0xF0 && at(1) < 0x90) || (a == 0xF4 && at(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0U | (c >> 6));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0U | (c >> 12));
    out += static_cast<char>(0x80U | ((c >> 6) & 0x3FU));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  } else {
    out += static_cast<char>(0xF0U | (c >> 18));
    out += static_cast<char>(0x80U | ((c >> 12) & 0x3FU));
    out += static_cast<char>(0x80U | ((c >> 6) & 0x3FU));
    out += static_cast<char>(0x80U | (c & 0x3FU));
  }
}

}  // namespace

class Parser {
 public:
  Parser(std::string_view text, const Limits& limits)
      : limits_(limits), begin_(text.data()), p_(text.data()), end_(text.data() + text.size()) {}

  Result<Document> run() {
    if (static_cast<std::size_t>(end_ - begin_) > limits_.bytes)
      return fail(Code::resource_exhausted, "JSON of {} bytes is longer than {}", end_ - begin_, limits_.bytes);
    document_.nodes_.reserve(std::min(limits_.nodes, static_cast<std::size_t>(end_ - begin_) / 16 + 16));
    skip_space();
    if (!value({}, 0)) return failure();
    skip_space();
    if (p_ != end_) {
      (void)stop("more text after the end of the value");
      return failure();
    }
    return std::move(document_);
  }

 private:
  // Every step says false after stop() has kept the reason.
  bool stop(const char* reason, Code code = Code::invalid_argument) {
    if (reason_ == nullptr) {
      reason_ = reason;
      code_ = code;
      stopped_at_ = p_;
    }
    return false;
  }

  Error failure() const {
    const auto line = 1 + std::count(begin_, stopped_at_, '\n');
    const char* start = stopped_at_;
    while (start > begin_ && start[-1] != '\n') --start;
    return fail(code_, "JSON line {} column {}: {}", line, stopped_at_ - start + 1, reason_);
  }

  void skip_space() {
    while (p_ < end_ && is_space(*p_)) ++p_;
  }

  std::vector<Node>& nodes() { return document_.nodes_; }

  bool value(std::string_view key, int depth) {
    if (p_ == end_) return stop("the text ends where a value should be");
    if (nodes().size() >= limits_.nodes) return stop("too many values", Code::resource_exhausted);
    Node& node = nodes().emplace_back();
    node.key = key;
    node.big_integer = 0;
    switch (*p_) {
      case '{': return container(nodes().size() - 1, Kind::object, '}', depth + 1);
      case '[': return container(nodes().size() - 1, Kind::array, ']', depth + 1);
      case '"': node.kind = Kind::string; return string(node.text);
      case 't':
        node.kind = Kind::boolean;
        node.boolean = true;
        return word("true");
      case 'f':
        node.kind = Kind::boolean;
        node.boolean = false;
        return word("false");
      case 'n': node.kind = Kind::null; return word("null");
      default: return number(node);
    }
  }

  bool word(std::string_view wanted) {
    if (static_cast<std::size_t>(end_ - p_) < wanted.size() || std::string_view(p_, wanted.size()) != wanted) return stop("not a value");
    p_ += wanted.size();
    return true;
  }

  bool container(std::size_t self, Kind kind, char close, int depth) {
    if (depth > limits_.depth) return stop("nested too deeply", Code::resource_exhausted);
    nodes()[self].kind = kind;
    ++p_;
    skip_space();
    if (p_ < end_ && *p_ == close) return ++p_, true;
    std::size_t previous = 0;
    for (std::uint32_t count = 1;; ++count) {
      std::string_view key;
      if (kind == Kind::object && !member_name(key)) return false;
      const std::size_t child = nodes().size();
      if (!value(key, depth)) return false;
      if (previous != 0) nodes()[previous].next = static_cast<std::uint32_t>(child);
      previous = child;
      skip_space();
      if (p_ == end_) return stop("the text ends within an object or array");
      if (*p_ == close) {
        ++p_;
        nodes()[self].count = count;
        return kind == Kind::array || names_are_unique(nodes()[self]);
      }
      if (*p_ != ',') return stop("',' or the closing bracket expected");
      ++p_;
      skip_space();
    }
  }

  bool member_name(std::string_view& key) {
    if (p_ == end_ || *p_ != '"') return stop("a name in quotes expected");
    if (!string(key)) return false;
    skip_space();
    if (p_ == end_ || *p_ != ':') return stop("':' expected");
    ++p_;
    skip_space();
    return true;
  }

  bool names_are_unique(const Node& object) {
    if (object.count < 2) return true;
    names_.clear();
    for (const Node* n = document_.first_child(object); n != nullptr; n = document_.next(*n)) names_.push_back(n->key);
    std::sort(names_.begin(), names_.end());
    const auto twice = std::adjacent_find(names_.begin(), names_.end());
    if (twice == names_.end()) return true;
    twice_ = fmt::format("the name '{}' comes twice in this object", twice->substr(0, 128));
    return stop(twice_.c_str());
  }

  bool number(Node& node) {
    const char* start = p_;
    if (*p_ == '-') ++p_;
    if (p_ == end_ || !is_digit(*p_)) return p_ = start, stop("not a value");
    if (*p_ == '0' && p_ + 1 < end_ && is_digit(p_[1])) return stop("a number with a leading zero");
    while (p_ < end_ && is_digit(*p_)) ++p_;
    const char* integer_end = p_;
    if (p_ < end_ && *p_ == '.') {
      ++p_;
      if (!digits()) return false;
    }
    if (p_ < end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      if (p_ < end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!digits()) return false;
    }
    node.text = std::string_view(start, static_cast<std::size_t>(p_ - start));
    node.kind = Kind::real;
    if (p_ != integer_end) return true;
    if (std::from_chars(start, p_, node.integer).ec == std::errc()) {
      node.kind = Kind::integer;
    } else if (*start != '-' && std::from_chars(start, p_, node.big_integer).ec == std::errc()) {
      node.kind = Kind::big_integer;
    }
    return true;
  }

  bool digits() {
    if (p_ == end_ || !is_digit(*p_)) return stop("a digit expected");
    while (p_ < end_ && is_digit(*p_)) ++p_;
    return true;
  }

  bool string(std::string_view& out) {
    const char* start = ++p_;
    if (!plain_run()) return false;
    if (*p_ == '"') {
      out = std::string_view(start, static_cast<std::size_t>(p_ - start));
      ++p_;
      return true;
    }
    std::string& text = document_.unescaped_.emplace_back(start, p_);
    for (;;) {
      ++p_;  // the backslash
      if (!escape(text)) return false;
      start = p_;
      if (!plain_run()) return false;
      text.append(start, p_);
      if (*p_ == '"') break;
    }
    ++p_;
    out = text;
    return true;
  }

  // To the next quote or backslash.
  bool plain_run() {
    for (;;) {
      const char* p = p_;  // in a register
      while (p < end_ && kPlain[static_cast<unsigned char>(*p)]) ++p;
      p_ = p;
      if (p_ == end_) return stop("the text ends within a string");
      const auto c = static_cast<unsigned char>(*p_);
      if (c == '"' || c == '\\') return true;
      if (c < 0x20) return stop("a control character in a string");
      if (c < 0x80 || limits_.strings == Bytes::any) {
        ++p_;
        continue;
      }
      const std::size_t length = utf8_length(p_, end_);
      if (length == 0) return stop("not UTF-8");
      p_ += length;
    }
  }

  bool escape(std::string& text) {
    if (p_ == end_) return stop("the text ends within a string");
    switch (*p_++) {
      case '"': text += '"'; return true;
      case '\\': text += '\\'; return true;
      case '/': text += '/'; return true;
      case 'b': text += '\b'; return true;
      case 'f': text += '\f'; return true;
      case 'n': text += '\n'; return true;
      case 'r': text += '\r'; return true;
      case 't': text += '\t'; return true;
      case 'u': return unicode_escape(text);
      default: return --p_, stop("an unknown escape");
    }
  }

  bool unicode_escape(std::string& text) {
    std::uint32_t c = 0;
    if (!hex4(c)) return false;
    if (c == 0) return stop("a NUL in a string");
    if (c >= 0xDC00 && c <= 0xDFFF) return stop("half a surrogate pair");
    if (c >= 0xD800 && c <= 0xDBFF) {
      std::uint32_t low = 0;
      if (end_ - p_ < 6 || p_[0] != '\\' || p_[1] != 'u') return stop("half a surrogate pair");
      p_ += 2;
      if (!hex4(low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return stop("half a surrogate pair");
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(text, c);
    return true;
  }

  bool hex4(std::uint32_t& out) {
    if (end_ - p_ < 4) return stop("the text ends within a string");
    const auto r = std::from_chars(p_, p_ + 4, out, 16);
    if (r.ec != std::errc() || r.ptr != p_ + 4) return stop("four hexadecimal digits expected");
    p_ += 4;
    return true;
  }

  const Limits& limits_;
  const char* begin_;
  const char* p_;
  const char* end_;
  Document document_;
  std::vector<std::string_view> names_;
  std::string twice_;  // the reason, where it names the name
  const char* reason_ = nullptr;
  const char* stopped_at_ = nullptr;
  Code code_ = Code::invalid_argument;
};

Result<Document> Document::parse(std::string_view text, const Limits& limits) {
  return Parser(text, limits).run();
}

namespace {

void append_escaped(std::string& out, unsigned char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\t': out += "\\t"; return;
    case '\r': out += "\\r"; return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 0xFU];
  }
}

void append_text(std::string& out, std::string_view text, Bytes strings) {
  out += '"';
  const char* const end = text.data() + text.size();
  const char* run = text.data();  // of what stands for itself
  for (const char* p = run; p < end;) {
    const auto c = static_cast<unsigned char>(*p);
    const std::size_t plain = kPlain[c] || (c >= 0x80 && strings == Bytes::any) ? 1 : c >= 0x80 ? utf8_length(p, end) : 0;
    p += plain;
    if (plain != 0) continue;
    out.append(run, static_cast<std::size_t>(p - run));
    if (c >= 0x80) {
      append_utf8(out, 0xFFFD);
    } else {
      append_escaped(out, c);
    }
    run = ++p;
  }
  out.append(run, static_cast<std::size_t>(end - run));
  out += '"';
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  append_text(out, text, Bytes::any);
}

void append_quoted_utf8(std::string& out, std::string_view text) {
  append_text(out, text, Bytes::utf8);
}

}  // namespace slipway::oci::json
