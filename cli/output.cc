// Tables, JSON, numbers for people.
#include "cli/output.h"

#include <google/protobuf/util/json_util.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace slipway::cli {
namespace {

const char* code_of(Colour colour) {
  switch (colour) {
    case Colour::none: return "";
    case Colour::green: return "\033[32m";
    case Colour::yellow: return "\033[33m";
    case Colour::red: return "\033[31m";
    case Colour::grey: return "\033[90m";
    case Colour::bold: return "\033[1m";
  }
  return "";
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool has_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = ::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view text(value);
    return text.find("UTF-8") != std::string_view::npos || text.find("utf8") != std::string_view::npos;
  }
  return false;
}

unsigned terminal_width() {
  winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  const char* columns_variable = ::getenv("COLUMNS");
  const long width = columns_variable == nullptr ? 0 : std::strtol(columns_variable, nullptr, 10);
  return width >= 20 && width <= 1000 ? static_cast<unsigned>(width) : 80;
}

}  // namespace

Style detect_style(bool json) {
  const char* term = ::getenv("TERM");
  const char* no_colour = ::getenv("NO_COLOR");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  Style style;
  style.json = json;
  style.colour = ::isatty(STDOUT_FILENO) == 1 && !dumb && (no_colour == nullptr || *no_colour == '\0');
  style.terminal = ::isatty(STDERR_FILENO) == 1 && !dumb;
  style.unicode = has_unicode();
  style.width = terminal_width();
  return style;
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

std::string format_table(const std::vector<std::string>& headings, const std::vector<std::vector<Cell>>& rows, bool colour) {
  std::vector<std::size_t> widths;
  widths.reserve(headings.size());
  for (const auto& heading : headings) widths.push_back(heading.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], columns(row[i].text));
  std::string out;
  const auto add = [&](const std::vector<Cell>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool painted = colour && row[i].colour != Colour::none;
      const std::string text = printable(row[i].text);
      if (painted) out += code_of(row[i].colour);
      out += text;
      if (painted) out += "\033[0m";
      if (i + 1 < row.size()) out.append(widths[i] - std::min(widths[i], columns(text)) + 3, ' ');
    }
    out.erase(out.find_last_not_of(' ') + 1);  // an empty last column
    out += '\n';
  };
  std::vector<Cell> first;
  first.reserve(headings.size());
  for (const auto& heading : headings) first.push_back({heading, Colour::bold});
  add(first);
  for (const auto& row : rows) add(row);
  return out;
}

std::string human_size(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_age(UnixNanos then, UnixNanos now) {
  if (then <= 0) return "-";
  const std::int64_t seconds = std::max<std::int64_t>(0, (now - then) / 1'000'000'000);
  constexpr std::pair<std::int64_t, const char*> kUnits[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}};
  for (const auto& [length, name] : kUnits)
    if (seconds >= length) return fmt::format("{} {}{} ago", seconds / length, name, seconds / length == 1 ? "" : "s");
  return fmt::format("{} second{} ago", seconds, seconds == 1 ? "" : "s");
}

std::string short_id(std::string_view id) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (id.starts_with(kAlgorithm)) id.remove_prefix(kAlgorithm.size());
  return std::string(id.substr(0, 13));
}

std::string to_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  const auto status = google::protobuf::util::MessageToJsonString(message, &out, options);
  return status.ok() ? out : to_json({{"error", status.ToString()}}) + "\n";
}

std::string to_json(const std::vector<std::pair<std::string, std::string>>& fields) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [key, value] : fields) out[key] = value;
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string to_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<void> print_to(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, "write the output");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> print(std::string_view text) {
  return print_to(STDOUT_FILENO, text);
}

}  // namespace slipway::cli
