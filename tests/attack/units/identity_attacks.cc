// Attacks on who a container is and what it may do: users, capabilities.
#include <algorithm>

#include "engine/spec/capabilities.h"
#include "engine/spec/user.h"
#include "tests/attack/units/polarity.h"

using namespace slipway;
using namespace slipway::engine;
using slipway::test::check_attack;

namespace {

constexpr std::uint64_t kAll = (1ULL << 41) - 1;

// Whether the process would be root.
bool is_root(const SecurityContext& security, const std::string& image_user, std::string_view passwd) {
  const auto user = resolve_user(security, image_user, passwd, "");
  return user.ok() && user.value().uid == 0;
}

bool has(const std::vector<std::string>& names, const char* name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

TEST_CASE("a user of passwd called '1000' with uid 0 is not user 1000", "[a01]") {
  for (const bool asked_by_pod : {false, true})
    check_attack("user_numbers", [&] {
      SecurityContext security;
      if (asked_by_pod) security.run_as_username = "1000";
      return is_root(security, asked_by_pod ? "" : "1000", "1000:x:0:0::/:/bin/sh\n");
    });
}

TEST_CASE("ids beyond the range do not wrap to 0, nor to what passwd calls so", "[a34]") {
  for (const std::string user : {"4294967296", "18446744073709551616", "-1", "+0"})
    check_attack("user_range", [&] { return is_root({}, user, ""); });
  for (const std::string user : {"2147483648", "4294967296", "4294968296", "-1"})
    check_attack("user_numbers", [&] { return is_root({}, user, user + ":x:0:0::/:/bin/sh\n"); });
}

TEST_CASE("default and added capabilities are not inheritable", "[a09]") {
  check_attack("no_inheritable", [] {
    SecurityContext security;
    security.add_capabilities = {"SYS_ADMIN"};
    const auto sets = plan_capabilities(security, kAll);
    return sets.ok() && !sets.value().inheritable.empty();
  });
}

TEST_CASE("who drops NET_RAW has no raw sockets", "[a22]") {
  check_attack("capability_drop", [] {
    SecurityContext security;
    security.drop_capabilities = {"NET_RAW"};
    const auto sets = plan_capabilities(security, kAll);
    return sets.ok() && (has(sets.value().bounding, "CAP_NET_RAW") || has(sets.value().effective, "CAP_NET_RAW"));
  });
}
