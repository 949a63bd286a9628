// YAML as JSON text, for what then reads that.
//
// One document in UTF-8 of what JSON can say: aliases and tags are refused, and more than 64 levels. Plain numbers, true, false and null
// mean what they do in JSON (and 0644 an octal number, which Go's reader takes it for), all else is a string. Pure; any thread; what is
// read next bounds the rest.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::engine {

// Errors begin with the line, where there is one.
Result<std::string> yaml_to_json(std::string_view text);

}  // namespace slipway::engine
