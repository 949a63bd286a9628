// Device rules → program, against the rules read one by one.
#include "cgroups/device_bpf.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/cgroups/device_machine.h"

using namespace slipway;
using namespace slipway::cgroups;

namespace {

constexpr std::uint32_t kRead = BPF_DEVCG_ACC_READ;
constexpr std::uint32_t kWrite = BPF_DEVCG_ACC_WRITE;
constexpr std::uint32_t kMake = BPF_DEVCG_ACC_MKNOD;
constexpr std::uint32_t kBlock = BPF_DEVCG_DEV_BLOCK;
constexpr std::uint32_t kChar = BPF_DEVCG_DEV_CHAR;

std::vector<bpf_insn> compiled(const std::vector<oci::DeviceRule>& rules) {
  const auto r = compile_device_filter(rules);
  if (!r.ok()) FAIL(r.error().message);
  return r.value();
}

// The words of the specification: rules in their order, the last that concerns an access decides it, nothing is allowed before.
bool by_the_book(const std::vector<oci::DeviceRule>& rules, std::uint32_t type, std::uint32_t access, std::uint32_t major,
                 std::uint32_t minor) {
  for (const auto& [bit, letter] : {std::pair{kRead, 'r'}, std::pair{kWrite, 'w'}, std::pair{kMake, 'm'}}) {
    if ((access & bit) == 0) continue;
    bool allowed = false;
    for (const auto& rule : rules) {
      const bool of_type = rule.type.empty() || rule.type == "a" || (rule.type == "b" ? type == kBlock : type == kChar);
      const bool of_major = !rule.major || *rule.major == -1 || *rule.major == major;
      const bool of_minor = !rule.minor || *rule.minor == -1 || *rule.minor == minor;
      const bool of_access = rule.access.empty() || rule.access.find(letter) != std::string::npos;
      if (of_type && of_major && of_minor && of_access) allowed = rule.allow;
    }
    if (!allowed) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a container's usual rules", "[cgroups][devices]") {
  const std::vector<oci::DeviceRule> extra = {{.allow = true, .type = "c", .major = 10, .minor = 229, .access = "rw"}};
  const auto program = compiled(with_defaults(extra));
  CHECK(tests::ask(program, kChar, kRead | kWrite, 1, 3));
  CHECK(tests::ask(program, kChar, kRead | kWrite, 136, 7));
  CHECK(tests::ask(program, kChar, kMake, 250, 1));
  CHECK(tests::ask(program, kBlock, kMake, 8, 0));
  CHECK(tests::ask(program, kChar, kRead | kWrite, 10, 229));
  CHECK_FALSE(tests::ask(program, kBlock, kRead, 8, 0));
  CHECK_FALSE(tests::ask(program, kBlock, kRead, 1, 3));
  CHECK_FALSE(tests::ask(program, kChar, kRead, 1, 1));  // mem
  CHECK_FALSE(tests::ask(program, kChar, kMake | kRead, 1, 1));
}

TEST_CASE("rules that differ in one number are asked together", "[cgroups][devices]") {
  std::vector<oci::DeviceRule> rules;
  for (std::int64_t minor = 0; minor < 2000; ++minor)
    rules.push_back({.allow = true, .type = "c", .major = 7, .minor = 3 * minor, .access = "rw"});
  rules.push_back({.allow = false, .type = "c", .major = 7, .minor = 30, .access = "w"});
  rules.push_back({.allow = true, .type = "b", .major = 9, .minor = {}, .access = "r"});
  rules.push_back({.allow = true, .type = "c", .major = 9, .minor = {}, .access = "r"});
  const auto program = compiled(rules);
  CHECK(program.size() < 2000 + 60);
  for (const std::uint32_t minor : {0U, 3U, 1023U * 3, 1024U * 3, 1999U * 3}) CHECK(tests::ask(program, kChar, kRead | kWrite, 7, minor));
  for (const std::uint32_t minor : {1U, 30U, 2000U * 3}) CHECK_FALSE(tests::ask(program, kChar, kRead | kWrite, 7, minor));
  CHECK(tests::ask(program, kChar, kRead, 7, 30));
  CHECK(tests::ask(program, kChar, kRead, 9, 1));
  CHECK(tests::ask(program, kBlock, kRead, 9, 1));
  CHECK_FALSE(tests::ask(program, kBlock, kWrite, 9, 1));
}

TEST_CASE("none, all, all but one", "[cgroups][devices]") {
  CHECK_FALSE(tests::ask(compiled({}), kChar, kRead, 1, 3));
  const oci::DeviceRule all{.allow = true, .type = "a", .major = {}, .minor = {}, .access = "rwm"};
  const oci::DeviceRule none{.allow = false, .type = "a", .major = {}, .minor = {}, .access = "rwm"};
  const oci::DeviceRule disk{.allow = false, .type = "b", .major = 8, .minor = 0, .access = "w"};
  CHECK(compiled({none, all}).size() == 2);
  CHECK(tests::ask(compiled({none, all}), kBlock, kRead | kWrite | kMake, 8, 0));
  CHECK(compiled({all, none}).size() == 2);
  CHECK_FALSE(tests::ask(compiled({all, none}), kChar, kRead, 1, 3));
  CHECK_FALSE(tests::ask(compiled({all, disk}), kBlock, kRead | kWrite, 8, 0));
  CHECK(tests::ask(compiled({all, disk}), kBlock, kRead, 8, 0));
  CHECK(tests::ask(compiled({disk, all}), kBlock, kWrite, 8, 0));
}

TEST_CASE("two rules together allow what neither does alone", "[cgroups][devices]") {
  const auto program = compiled({{.allow = true, .type = "c", .major = 4, .minor = {}, .access = "r"},
                                 {.allow = true, .type = "c", .major = {}, .minor = 64, .access = "w"}});
  CHECK(tests::ask(program, kChar, kRead | kWrite, 4, 64));
  CHECK_FALSE(tests::ask(program, kChar, kRead | kWrite, 4, 65));
}

TEST_CASE("random rules say what the specification says", "[cgroups][devices]") {
  std::mt19937 random(20261121);
  const char* types[] = {"a", "b", "c", ""};
  const char* accesses[] = {"r", "w", "m", "rw", "rwm", "", "wm"};
  const auto number = [&]() -> std::optional<std::int64_t> {
    switch (random() % 4) {
      case 0: return std::nullopt;
      case 1: return -1;
      case 2: return 4294967295;
      default: return random() % 3;
    }
  };
  std::uint64_t asked = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<oci::DeviceRule> rules;
    for (unsigned n = random() % 8; n > 0; --n)
      rules.push_back({.allow = random() % 2 == 0,
                       .type = types[random() % 4],
                       .major = number(),
                       .minor = number(),
                       .access = accesses[random() % 7]});
    const auto program = compiled(rules);
    for (const std::uint32_t type : {kBlock, kChar})
      for (std::uint32_t access = 1; access < 8; ++access)
        for (const std::uint32_t major : {0U, 1U, 2U, 4294967295U})
          for (const std::uint32_t minor : {0U, 1U, 2U, 4294967295U}) {
            ++asked;
            if (tests::ask(program, type, access, major, minor) == by_the_book(rules, type, access, major, minor)) continue;
            CAPTURE(round, type, access, major, minor);
            FAIL("the program differs from the rules");
          }
  }
  CHECK(asked == 500 * 2 * 7 * 16);
}

TEST_CASE("a rule that cannot be is refused by name", "[cgroups][devices]") {
  const auto error_of = [](const oci::DeviceRule& rule) {
    const auto r =
        compile_device_filter(std::vector<oci::DeviceRule>{{.allow = true, .type = "c", .major = {}, .minor = {}, .access = ""}, rule});
    return r.ok() ? std::string("ok") : r.error().message;
  };
  CHECK(error_of({.allow = true, .type = "x", .major = {}, .minor = {}, .access = ""}) ==
        "linux.resources.devices[1].type: 'x' is not known");
  CHECK(error_of({.allow = true, .type = "c", .major = -2, .minor = {}, .access = ""}) ==
        "linux.resources.devices[1].major: -2 is not a device number");
  CHECK(error_of({.allow = true, .type = "c", .major = 1, .minor = 1, .access = "rx"}) ==
        "linux.resources.devices[1].access: 'rx' is not some of 'rwm'");
}
