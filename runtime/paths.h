// Paths as text: cleaned without asking any file system.
#pragma once

#include <string>
#include <string_view>

namespace slipway::runtime {

// What becomes of "..": it takes away the part before it, or stays, for behind a symbolic link it is not what stands before it.
enum class Parents { taken_away, kept };

// "/a//b/./../c/" → "a/c": relative to the container's root, which ".." cannot leave. "/" → "".
std::string clean_in_root(std::string_view path, Parents parents = Parents::taken_away);

// The same with a slash in front.
std::string clean_absolute(std::string_view path, Parents parents = Parents::taken_away);

// `path` is `directory` or lies beneath it; both clean, without leading slash.
bool is_at_or_beneath(std::string_view path, std::string_view directory);

}  // namespace slipway::runtime
