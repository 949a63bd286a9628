// Annotations as unit properties.
#include "cgroups/unit_annotations.h"

#include <algorithm>
#include <bit>
#include <string_view>

namespace slipway::cgroups {
namespace {

constexpr std::string_view kPrefix = "org.systemd.property.";
constexpr std::uint64_t kUsecPerSec = 1'000'000;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// "TimeoutStopSec", and not "TimeoutStopUSec".
bool is_in_seconds(std::string_view name) {
  return name.ends_with("Sec") && name.size() > 3 && name[name.size() - 4] >= 'a' && name[name.size() - 4] <= 'z';
}

Result<std::uint64_t> to_usec(const Literal& value) {
  if (value.numbers.size() != 1 || value.type.size() != 1 || value.type == "b") return fail(Code::invalid_argument, "is no number");
  if (value.type == "d") {
    const auto seconds = std::bit_cast<double>(value.numbers[0]);
    if (!(seconds >= 0 && seconds < 1e12)) return fail(Code::invalid_argument, "is no number of seconds");
    return static_cast<std::uint64_t>(seconds * static_cast<double>(kUsecPerSec));
  }
  const bool is_signed = value.type == "n" || value.type == "i" || value.type == "x";
  if ((is_signed && static_cast<std::int64_t>(value.numbers[0]) < 0) || value.numbers[0] > UINT64_MAX / kUsecPerSec)
    return fail(Code::invalid_argument, "is no number of seconds");
  return value.numbers[0] * kUsecPerSec;
}

Result<Property> property_of(std::string name, const std::string& text) {
  if (name.size() < 3 || !std::ranges::all_of(name, is_letter))
    return fail(Code::invalid_argument, "'{}' cannot be the name of a property", name);
  TRY_ASSIGN(Literal value, parse_variant_text(text).context("'{}'", text));
  if (!is_in_seconds(name)) return Property{std::move(name), std::move(value)};
  TRY_ASSIGN(const std::uint64_t usec, to_usec(value).context("'{}'", text));
  return Property{name.substr(0, name.size() - 3) + "USec", usec};
}

}  // namespace

Result<std::vector<Property>> plan_annotated(const std::map<std::string, std::string>& annotations) {
  std::vector<Property> out;
  for (const auto& [key, text] : annotations) {
    if (!key.starts_with(kPrefix)) continue;
    TRY_ASSIGN(Property property, property_of(key.substr(kPrefix.size()), text).context("annotations.{}", key));
    out.push_back(std::move(property));
  }
  return out;
}

}  // namespace slipway::cgroups
