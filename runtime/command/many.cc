// Ids chosen by regcomp(3): std::regex would be a tenth of this program.
#include "runtime/command/many.h"

#include <regex.h>

#include <optional>

namespace slipway::runtime::command {
namespace {

class Expression {
 public:
  explicit Expression(const std::string& text) : status_(::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB)) {}
  ~Expression() {
    if (status_ == 0) ::regfree(&compiled_);
  }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  Result<void> check(const std::string& text) const {
    if (status_ == 0) return {};
    char reason[128] = {};
    ::regerror(status_, &compiled_, reason, sizeof reason);
    return fail(Code::invalid_argument, "--regex: '{}': {}", text, reason);
  }
  bool matches(const std::string& text) const { return ::regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0; }

 private:
  regex_t compiled_{};
  int status_;
};

}  // namespace

Result<void> for_each_matching(const Global& global, const std::string& expression,
                               const std::function<Result<void>(const std::string&)>& act) {
  const Expression compiled(expression);
  TRY(compiled.check(expression));
  TRY_ASSIGN(const std::vector<std::string> ids, StateDir::list(global.root));
  std::optional<Error> last;
  for (const std::string& id : ids) {
    if (!compiled.matches(id)) continue;
    auto acted = act(id);
    if (acted.ok()) continue;
    if (last) report_error(*last);
    last = std::move(acted).error();
  }
  if (last) return *std::move(last);
  return {};
}

}  // namespace slipway::runtime::command
