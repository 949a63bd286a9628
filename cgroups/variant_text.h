// A D-Bus value written as text, in GLib's notation (GVariant Text Format): 15, uint64 7000000, 'a string', ['a', 'b'], @as [], true.
//
// Pure. Basic types and arrays of one of them: what unit properties are. Dictionaries, tuples, variants and maybes are refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::cgroups {

// A value of one basic type, or an array of such.
struct Literal {
  std::string type;                    // D-Bus's: "i", "as", …
  std::vector<std::uint64_t> numbers;  // of b y n q i u x t; of d: its bits
  std::vector<std::string> strings;    // of s o g
  bool operator==(const Literal&) const = default;
};

// invalid_argument, with what is wrong and where.
Result<Literal> parse_variant_text(std::string_view text);

}  // namespace slipway::cgroups
