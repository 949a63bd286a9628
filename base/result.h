// The one way an operation of slipway fails: Result<T> is a value or an Error whose code maps 1:1 to a gRPC code.
//
// A library never logs an error that it returns. Context is added once per room and reads outside-in:
//   run pod 'default/web': write '64M' to /sys/fs/cgroup/…/memory.max: No space left on device
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/format.h"

namespace slipway {

// The numbers are gRPC's (grpc/status.h), so that cri/ only casts.
enum class Code : std::uint8_t {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

std::string_view to_string(Code code);

// The code that an errno means where nothing better is known. ENOENT is not_found, EEXIST already_exists, …, else internal.
Code code_from_errno(int err);

struct [[nodiscard]] Error {
  Code code = Code::internal;
  int sys_errno = 0;  // 0 where no system call is the cause
  std::string message;

  // Puts what was being done in front of why it failed.
  template <class... Args>
  Error within(fmt::format_string<Args...> text, Args&&... args) && {
    message = fmt::format(text, std::forward<Args>(args)...) + ": " + message;
    return std::move(*this);
  }
};

template <class... Args>
Error fail(Code code, fmt::format_string<Args...> text, Args&&... args) {
  return Error{code, 0, fmt::format(text, std::forward<Args>(args)...)};
}

// Appends ": " and the errno's sentence to the message.
Error errno_error(int err, std::string what);

template <class... Args>
Error fail_errno(int err, fmt::format_string<Args...> text, Args&&... args) {
  return errno_error(err, fmt::format(text, std::forward<Args>(args)...));
}

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T take() && { return std::get<0>(std::move(state_)); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error error() && { return std::get<1>(std::move(state_)); }

  template <class... Args>
  Result context(fmt::format_string<Args...> text, Args&&... args) && {
    if (ok()) return std::move(*this);
    return std::get<1>(std::move(state_)).within(text, std::forward<Args>(args)...);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  void take() && {}
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error error() && { return *std::move(error_); }

  template <class... Args>
  Result context(fmt::format_string<Args...> text, Args&&... args) && {
    if (ok()) return {};
    return (*std::move(error_)).within(text, std::forward<Args>(args)...);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace slipway

#define SLIPWAY_CONCAT_(a, b) a##b
#define SLIPWAY_CONCAT(a, b) SLIPWAY_CONCAT_(a, b)

// Statements, not expressions: the ({ … return …; }) form leaks half-built braced lists in g++ and clang.
#define TRY(...)                                                                \
  do {                                                                          \
    auto slipway_try_result = (__VA_ARGS__);                                    \
    if (!slipway_try_result.ok()) return std::move(slipway_try_result).error(); \
  } while (false)

#define SLIPWAY_TRY_ASSIGN(temporary, target, ...)          \
  auto temporary = (__VA_ARGS__);                           \
  if (!temporary.ok()) return std::move(temporary).error(); \
  target = std::move(temporary).take()

// TRY_ASSIGN(auto x, expr); declares or assigns the first operand.
#define TRY_ASSIGN(target, ...) SLIPWAY_TRY_ASSIGN(SLIPWAY_CONCAT(slipway_result_, __COUNTER__), target, __VA_ARGS__)
