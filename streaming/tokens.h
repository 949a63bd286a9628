// What a streaming URL stands for until somebody uses it: random tokens that are good once and for a minute.
//
// The URL is the only thing that its holder has to show, so a token is 256 bits of getrandom(2). Bounded: when kMax are out, the next one
// is refused by resource_exhausted. Any thread. Times are CLOCK_MONOTONIC, given by the caller.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/result.h"
#include "base/time.h"

namespace slipway::streaming {

// 43 characters of base64url.
Result<std::string> make_token();

template <class Request>
class Tokens {
 public:
  static constexpr std::size_t kMax = 1000;
  static constexpr MonotonicNanos kLife = 60'000'000'000;

  Result<std::string> put(Request request, MonotonicNanos now) {
    TRY_ASSIGN(std::string token, make_token());
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMax) forget_old(now);
    if (waiting_.size() >= kMax)
      return fail(Code::resource_exhausted, "{} streaming URLs wait to be used already; each is good for a minute", waiting_.size());
    waiting_.emplace(token, Waiting{std::move(request), now + kLife});
    return token;
  }

  // Once: the second one that comes with a token gets nothing.
  std::optional<Request> take(const std::string& token, MonotonicNanos now) {
    const std::lock_guard lock(mutex_);
    auto node = waiting_.extract(token);
    if (node.empty() || node.mapped().end <= now) return std::nullopt;
    return std::move(node.mapped().request);
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  struct Waiting {
    Request request;
    MonotonicNanos end = 0;
  };

  void forget_old(MonotonicNanos now) {
    std::erase_if(waiting_, [now](const auto& entry) { return entry.second.end <= now; });
  }

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Waiting> waiting_;
};

}  // namespace slipway::streaming
