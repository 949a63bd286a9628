// The command line parser.
#include "runtime/command/options.h"

#include <charconv>

namespace slipway::runtime::command {
namespace {

const Option* find(std::span<const Option> known, std::string_view name) {
  for (const Option& option : known) {
    if (option.name == name || (!option.alias.empty() && option.alias == name)) return &option;
  }
  return nullptr;
}

}  // namespace

bool Arguments::has(std::string_view name) const {
  return options_.find(name) != options_.end();
}

std::string Arguments::value(std::string_view name, std::string_view fallback) const {
  const auto it = options_.find(name);
  return it == options_.end() ? std::string(fallback) : it->second.back();
}

std::vector<std::string> Arguments::values(std::string_view name) const {
  const auto it = options_.find(name);
  return it == options_.end() ? std::vector<std::string>{} : it->second;
}

Result<int> Arguments::number(std::string_view name, int fallback, int low, int high) const {
  if (!has(name)) return fallback;
  const std::string text = value(name);
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || out < low || out > high)
    return fail(Code::invalid_argument, "--{}: '{}' is not a number from {} to {}", name, text, low, high);
  return out;
}

Result<Arguments> parse_arguments(std::span<const std::string> words, std::span<const Option> known, bool stop_at_first) {
  Arguments out;
  std::size_t i = 0;
  for (; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "--") {
      ++i;
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      if (stop_at_first) break;
      out.positional.emplace_back(word);
      continue;
    }
    word.remove_prefix(word[1] == '-' ? 2 : 1);
    const std::size_t equals = word.find('=');
    const Option* option = find(known, word.substr(0, equals));
    if (option == nullptr) return fail(Code::invalid_argument, "flag '{}' is not known", words[i]);
    std::string value = equals == std::string_view::npos ? "" : std::string(word.substr(equals + 1));
    if (option->takes_value && equals == std::string_view::npos) {
      if (++i == words.size()) return fail(Code::invalid_argument, "flag '--{}' needs a value", option->name);
      value = words[i];
    }
    if (!option->takes_value && !value.empty() && value != "true" && value != "false")
      return fail(Code::invalid_argument, "flag '--{}' takes no value but true or false", option->name);
    if (!option->takes_value && value == "false") continue;
    out.options_[std::string(option->name)].push_back(std::move(value));
  }
  out.positional.insert(out.positional.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
  return out;
}

}  // namespace slipway::runtime::command
