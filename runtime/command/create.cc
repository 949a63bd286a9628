// slipway create: everything but the program itself.
#include "runtime/command/make.h"

namespace slipway::runtime::command {

Result<int> create_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kMakeOptions, false));
  TRY_ASSIGN(const MakeOptions options, make_options(arguments));
  TRY_ASSIGN(const Made made, make_container(global, options, false));
  return 0;
}

}  // namespace slipway::runtime::command
