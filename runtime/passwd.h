// Lines of a passwd(5) that nobody vouches for.
#pragma once

#include <cstdint>
#include <string_view>

namespace slipway::runtime {

// name:password:UID:GID:comment:HOME:shell
enum class PasswdField { name = 0, uid = 2, home = 5 };

// That field of the first line of the user where it is not empty; empty where there is none.
std::string_view passwd_field(std::string_view passwd, std::uint32_t uid, PasswdField wanted);

}  // namespace slipway::runtime
