// What `slipway --help` and `slipway VERB --help` print.
#pragma once

#include <string>
#include <string_view>

namespace slipway::runtime::command {

std::string help();
std::string help_of(std::string_view verb);  // empty: there is no such verb

}  // namespace slipway::runtime::command
