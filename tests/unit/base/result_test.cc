// Results carry values, codes and context.
#include "base/result.h"

#include <catch2/catch.hpp>

#include <memory>

using namespace slipway;

namespace {
Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::invalid_argument, "{} is odd", n);
  return n / 2;
}
Result<int> quarter(int n) {
  TRY_ASSIGN(const int h, half(n));
  TRY_ASSIGN(const int q, half(h).context("half of {}", n));
  return q;
}
Result<void> check(int n) {
  TRY(quarter(n));
  return {};
}
}  // namespace

TEST_CASE("a value comes through TRY_ASSIGN", "[base]") {
  CHECK(quarter(8).value() == 2);
  CHECK(check(8).ok());
}

TEST_CASE("an error keeps its code and gains context outside-in", "[base]") {
  const auto r = quarter(6);
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code == Code::invalid_argument);
  CHECK(r.error().message == "half of 6: 3 is odd");
  CHECK_FALSE(check(3).ok());
}

TEST_CASE("an errno becomes a code and a sentence", "[base]") {
  const Error e = fail_errno(ENOENT, "open '{}'", "/x");
  CHECK(e.code == Code::not_found);
  CHECK(e.sys_errno == ENOENT);
  CHECK(e.message == "open '/x': No such file or directory");
}

TEST_CASE("a result of an owner can be moved out", "[base]") {
  Result<std::unique_ptr<int>> r(std::make_unique<int>(7));
  const std::unique_ptr<int> moved = std::move(r).take();
  CHECK(*moved == 7);
}
