// One line of diagnostics, escaped so that a hostile name cannot forge a second one.
#include "base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

#include "base/log_sink.h"
#include "base/time.h"

namespace slipway::log {
namespace {

std::atomic<Level> g_level{Level::info};
std::atomic<Format> g_format{Format::text};
std::atomic<Sink> g_sink{nullptr};
constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warn", "error"};

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out;
}

// A value that would not read as one word is quoted.
std::string word_of(std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" =\"\\") == std::string_view::npos;
  return plain ? escaped(value) : '"' + escaped(value) + '"';
}

void put(std::string_view line) {
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void set_level(Level level) {
  g_level = level;
}
void set_format(Format format) {
  g_format = format;
}
bool enabled(Level level) {
  return level >= g_level.load(std::memory_order_relaxed);
}

Result<Level> parse_level(std::string_view text) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == text) return static_cast<Level>(i);
  return fail(Code::invalid_argument, "log level '{}' is none of debug, info, warn, error", text);
}

Result<Format> parse_format(std::string_view text) {
  if (text == "text") return Format::text;
  if (text == "json") return Format::json;
  return fail(Code::invalid_argument, "log format '{}' is none of text, json", text);
}

void set_sink(Sink sink) {
  g_sink = sink;
}

void write(Level level, std::string_view message) {
  const Sink sink = g_sink.load(std::memory_order_relaxed);
  if (sink != nullptr && sink(level, message)) return;
  const std::string time = to_rfc3339(now_realtime());
  const std::string_view name = kNames[static_cast<size_t>(level)];
  const std::string line = g_format.load() == Format::json
                               ? fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"msg\":\"{}\"}}\n", time, name, escaped(message))
                               : fmt::format("{} {:<5} {}\n", time, name, escaped(message));
  put(line);
}

std::string format_event(Format format, UnixNanos time, std::string_view what, Fields fields) {
  const bool json = format == Format::json;
  std::string line = json ? fmt::format("{{\"time\":\"{}\",\"level\":\"info\",\"msg\":\"{}\"", to_rfc3339(time), escaped(what))
                          : fmt::format("{} info  {}", to_rfc3339(time), escaped(what));
  for (const Field& field : fields) {
    const auto* text = std::get_if<std::string>(&field.value);
    line += json ? fmt::format(",\"{}\":", field.name) : fmt::format(" {}=", field.name);
    if (text == nullptr) {
      line += fmt::format("{}", std::get<std::int64_t>(field.value));
    } else {
      line += json ? '"' + escaped(*text) + '"' : word_of(*text);
    }
  }
  return line + (json ? "}\n" : "\n");
}

void event(std::string_view what, Fields fields) {
  if (enabled(Level::info)) put(format_event(g_format.load(), now_realtime(), what, fields));
}

}  // namespace slipway::log
