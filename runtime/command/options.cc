// The command line parser.
#include "runtime/command/options.h"

#include <utility>

#include "base/text.h"

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
  const auto out = to_number<int>(text);
  if (!out || *out < low || *out > high)
    return fail(Code::invalid_argument, "--{}: '{}' is not a number from {} to {}", name, text, low, high);
  return *out;
}

// What is said of one flag: its value, where it takes one, is in the word or is the next word.
Result<void> Arguments::take(const Option& option, std::optional<std::string> value, std::span<const std::string> words, std::size_t& i) {
  if (option.takes_value && !value) {
    // runc's words: podman tells by them whether `restore` knows --lsm-mount-context.
    if (++i == words.size()) return fail(Code::invalid_argument, "flag needs an argument: --{}", option.name);
    value = words[i];
  }
  if (!option.takes_value && value && *value != "true" && *value != "false")
    return fail(Code::invalid_argument, "flag '--{}' takes no value but true or false", option.name);
  if (!option.takes_value && value && *value == "false") return {};
  options_[std::string(option.name)].push_back(value.value_or(""));
  return {};
}

// "-itu1000": letters together, the last one with its value, as crun's callers write them.
Result<void> Arguments::take_letters(std::string_view letters, std::span<const Option> known, std::span<const std::string> words,
                                     std::size_t& i) {
  const std::string& word = words[i];
  while (!letters.empty()) {
    const Option* option = find(known, letters.substr(0, 1));
    if (option == nullptr) return fail(Code::invalid_argument, "flag '{}' is not known", word);
    letters.remove_prefix(1);
    std::optional<std::string> value;
    if (option->takes_value && !letters.empty()) value = std::string(std::exchange(letters, {}));
    TRY(take(*option, std::move(value), words, i));
  }
  return {};
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
    const bool one_dash = word[1] != '-';
    word.remove_prefix(one_dash ? 1 : 2);
    const std::size_t equals = word.find('=');
    const Option* option = find(known, word.substr(0, equals));
    if (option == nullptr && one_dash) {
      TRY(out.take_letters(word, known, words, i));
      continue;
    }
    if (option == nullptr) return fail(Code::invalid_argument, "flag '{}' is not known", words[i]);
    std::optional<std::string> value;
    if (equals != std::string_view::npos) value = std::string(word.substr(equals + 1));
    TRY(out.take(*option, std::move(value), words, i));
  }
  out.positional.insert(out.positional.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
  return out;
}

}  // namespace slipway::runtime::command
