// libyaml's events, written down as they come.
#include "engine/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "oci/json.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxTagDirectives = 64;

struct Level {
  bool mapping = false;
  std::size_t count = 0;  // of nodes: in a mapping each second one is a name
};

bool is_octal(std::string_view text) {
  return text.size() > 1 && text[0] == '0' && text.find_first_not_of("01234567") == std::string_view::npos;
}

bool is_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos && (text == "0" || text[0] != '0');
}

void append_plain(std::string_view text, std::string& out) {
  if (text.empty() || text == "~" || text == "null") {
    out += "null";
  } else if (text == "true" || text == "false" || is_integer(text)) {
    out += text;
  } else if (const auto octal = is_octal(text) ? to_number<std::uint64_t>(text, 8) : std::nullopt) {
    out += fmt::format("{}", *octal);
  } else {
    oci::json::append_quoted(out, text);
  }
}

class Writer {
 public:
  // After the last event of a document: all of it.
  std::string take() && { return out_.empty() ? "null" : std::move(out_); }

  Result<void> add(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        if (documents_++ != 0) return bad("a second document");
        return {};
      case YAML_ALIAS_EVENT: return bad("an alias");
      case YAML_SCALAR_EVENT: return scalar(event.data.scalar);
      case YAML_SEQUENCE_START_EVENT: return open(false, event.data.sequence_start.tag);
      case YAML_MAPPING_START_EVENT: return open(true, event.data.mapping_start.tag);
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        out_ += levels_.back().mapping ? '}' : ']';
        levels_.pop_back();
        return {};
      default: return {};
    }
  }

 private:
  static Error bad(std::string_view what) { return fail(Code::invalid_argument, "{} is not read here", what); }

  // Commas and colons before a node; whether it is a name.
  bool begin() {
    if (levels_.empty()) return false;
    Level& level = levels_.back();
    const bool name = level.mapping && level.count % 2 == 0;
    if (level.count != 0) out_ += level.mapping && !name ? ':' : ',';
    ++level.count;
    return name;
  }

  Result<void> open(bool mapping, const yaml_char_t* tag) {
    if (tag != nullptr) return bad("a tag");
    if (levels_.size() == kMaxDepth) return fail(Code::resource_exhausted, "nested too deeply");
    if (begin()) return bad("a name that is no scalar");
    out_ += mapping ? '{' : '[';
    levels_.push_back({mapping, 0});
    return {};
  }

  template <class Scalar>
  Result<void> scalar(const Scalar& scalar) {
    if (scalar.tag != nullptr) return bad("a tag");
    const std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (begin() || scalar.style != YAML_PLAIN_SCALAR_STYLE) {
      oci::json::append_quoted(out_, text);
    } else {
      append_plain(text, out_);
    }
    return {};
  }

  std::string out_;
  std::vector<Level> levels_;
  int documents_ = 0;
};

// Owners of what libyaml allocates.
struct Parser {
  Parser() { good = yaml_parser_initialize(&state) == 1; }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&state); }
  yaml_parser_t state{};
  bool good = false;
};
struct Event {
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&value); }
  yaml_event_t value{};
};

// libyaml compares each %TAG with all before it: a file of nothing else takes it minutes. In UTF-16 they would not be seen here.
Result<void> check_directives(std::string_view text) {
  if (text.starts_with('\xFE') || text.starts_with('\xFF')) return fail(Code::invalid_argument, "line 1: not UTF-8");
  std::size_t count = 0;
  for (auto at = text.find("%TAG"); at != std::string_view::npos; at = text.find("%TAG", at + 1))
    if (++count > kMaxTagDirectives) return fail(Code::resource_exhausted, "more than {} times %TAG", kMaxTagDirectives);
  return {};
}

}  // namespace

Result<std::string> yaml_to_json(std::string_view text) {
  TRY(check_directives(text));
  Parser parser;
  if (!parser.good) return fail(Code::resource_exhausted, "no memory for a YAML parser");
  yaml_parser_set_input_string(&parser.state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  Writer writer;
  for (;;) {
    Event event;
    if (yaml_parser_parse(&parser.state, &event.value) != 1) {
      const auto line = std::max(parser.state.problem_mark.line, parser.state.context_mark.line) + 1;
      return fail(Code::invalid_argument, "line {}: {}", line, parser.state.problem == nullptr ? "not YAML" : parser.state.problem);
    }
    if (event.value.type == YAML_STREAM_END_EVENT) return std::move(writer).take();
    auto added = writer.add(event.value);
    if (!added.ok()) return std::move(added).error().within("line {}", event.value.start_mark.line + 1);
  }
}

}  // namespace slipway::engine
