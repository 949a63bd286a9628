// Command lines as runc's callers write them: flags of a verb, then its arguments.
//
// One or two dashes, "--name value" or "--name=value"; "--" ends the flags. A flag that takes no value may be given "=true" or "=false".
// Letters may stand together behind one dash, "-itu1000".
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::runtime::command {

struct Option {
  std::string_view name;
  std::string_view alias;  // "" = none
  bool takes_value = false;
};

class Arguments {
 public:
  bool has(std::string_view name) const;
  std::string value(std::string_view name, std::string_view fallback = {}) const;  // the last one given
  std::vector<std::string> values(std::string_view name) const;
  Result<int> number(std::string_view name, int fallback, int low, int high) const;

  std::vector<std::string> positional;

 private:
  friend Result<Arguments> parse_arguments(std::span<const std::string>, std::span<const Option>, bool);
  Result<void> take(const Option& option, std::optional<std::string> value, std::span<const std::string> words, std::size_t& i);
  Result<void> take_letters(std::string_view letters, std::span<const Option> known, std::span<const std::string> words, std::size_t& i);
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
};

// `stop_at_first`: flags after the first argument belong to somebody else (`exec ID sh -c …`, `slipway --root X verb …`).
Result<Arguments> parse_arguments(std::span<const std::string> words, std::span<const Option> known, bool stop_at_first);

}  // namespace slipway::runtime::command
