// Who a container's process is: CRI's run_as_* and the image's USER resolved against the image's own passwd and group text.
//
// Pure. Numbers are numbers (attacks 1 and 34): a name made of digits in passwd never means anything, a number outside
// 0 … 2^31-1 is an error. The primary group is part of the supplementary ones, so that a rule denying a group holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

namespace slipway::engine {

inline constexpr std::size_t kUserFileLimit = 1 << 20;  // of an image's passwd or group; larger is an error (attack 33)

struct ResolvedUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;  // sorted by first mention, no duplicates, the primary one first
  std::string home;                            // of passwd; empty when it has none or one with control characters
};

// `passwd` and `group` are the image's files, empty where it has none.
Result<ResolvedUser> resolve_user(const SecurityContext& security, const std::string& image_user, std::string_view passwd,
                                  std::string_view group);

}  // namespace slipway::engine
