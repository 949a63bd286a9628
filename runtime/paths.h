// Paths as text: cleaned without asking any file system.
#pragma once

#include <string>
#include <string_view>

namespace slipway::runtime {

// "/a//b/./../c/" → "a/c": relative to the container's root, which ".." cannot leave. "/" → "".
std::string clean_in_root(std::string_view path);

// The same with a slash in front.
std::string clean_absolute(std::string_view path);

// `path` is `directory` or lies beneath it; both clean, without leading slash.
bool is_at_or_beneath(std::string_view path, std::string_view directory);

}  // namespace slipway::runtime
