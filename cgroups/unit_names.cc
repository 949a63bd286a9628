// Slices and scopes as paths.
#include "cgroups/unit_names.h"

#include <algorithm>

namespace slipway::cgroups {
namespace {

constexpr std::string_view kSlice = ".slice";
constexpr std::string_view kScope = ".scope";
constexpr std::string_view kRootSlice = "-.slice";

std::string_view last_of(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);  // npos + 1 = 0
}

bool has_ending(std::string_view name, std::string_view ending) {
  return name.size() > ending.size() && name.ends_with(ending);
}

}  // namespace

bool is_slice(std::string_view path) {
  return has_ending(last_of(path), kSlice);
}
bool is_scope(std::string_view path) {
  return has_ending(last_of(path), kScope);
}

Result<void> check_unit_name(std::string_view what, std::string_view name) {
  const auto valid = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' || c == '-' || c == '_' || c == '.' ||
           c == '\\';
  };
  if (name.empty() || name.size() > kMaxUnitName || name.front() == '.' || !std::all_of(name.begin(), name.end(), valid))
    return fail(Code::invalid_argument, "{}: '{}' cannot be the name of a systemd unit", what, name);
  return {};
}

Result<std::string> expand_slice(std::string_view slice) {
  if (slice == kRootSlice) return std::string();
  TRY(check_unit_name("slice", slice));
  if (!has_ending(slice, kSlice)) return fail(Code::invalid_argument, "'{}' is not the name of a systemd slice", slice);
  const std::string_view stem = slice.substr(0, slice.size() - kSlice.size());
  if (stem.front() == '-' || stem.back() == '-' || stem.find("--") != std::string_view::npos)
    return fail(Code::invalid_argument, "'{}' is not the name of a systemd slice: a part between dashes is empty", slice);
  std::string out;
  for (std::size_t end = stem.find('-');; end = stem.find('-', end + 1)) {
    out += fmt::format("/{}{}", stem.substr(0, end), kSlice);
    if (end == std::string_view::npos) return out;
  }
}

std::string unit_of(std::string_view path) {
  return std::string(last_of(path));
}

std::string slice_of(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  const std::string_view parent = slash == std::string_view::npos ? std::string_view() : last_of(path.substr(0, slash));
  return std::string(parent.empty() ? kRootSlice : parent);
}

Result<std::string> parse_systemd_path(std::string_view text, std::string_view id) {
  const std::string whole = text.empty() ? fmt::format("system.slice:slipway:{}", id) : std::string(text);
  const std::size_t first = whole.find(':');
  const std::size_t second = first == std::string::npos ? first : whole.find(':', first + 1);
  if (second == std::string::npos || whole.find(':', second + 1) != std::string::npos)
    return fail(Code::invalid_argument, "linux.cgroupsPath '{}' is not of the form SLICE:PREFIX:NAME, which --systemd-cgroup wants", text);
  const std::string slice = first == 0 ? "system.slice" : whole.substr(0, first);
  const std::string prefix = whole.substr(first + 1, second - first - 1);
  const std::string name = whole.substr(second + 1);
  auto parent = expand_slice(slice);
  if (!parent.ok()) return std::move(parent).error().within("linux.cgroupsPath '{}'", text);
  if (is_slice(name)) {
    auto own = expand_slice(name);
    return std::move(own).context("linux.cgroupsPath '{}'", text);
  }
  const std::string unit = prefix.empty() ? name + std::string(kScope) : fmt::format("{}-{}{}", prefix, name, kScope);
  TRY(check_unit_name("linux.cgroupsPath", unit));
  return parent.value() + "/" + unit;
}

}  // namespace slipway::cgroups
