// Paths as text.
#include "runtime/paths.h"

#include "base/text.h"

namespace slipway::runtime {

std::string clean_in_root(std::string_view path, Parents parents) {
  std::string out;
  while (!path.empty()) {
    const std::string_view part = cut(path, '/');
    if (part.empty() || part == ".") continue;
    if (part == ".." && parents == Parents::taken_away) {
      const std::size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

std::string clean_absolute(std::string_view path, Parents parents) {
  return "/" + clean_in_root(path, parents);
}

bool is_at_or_beneath(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace slipway::runtime
