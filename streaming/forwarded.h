// One forwarded connection: a socket in the pod and the two pumps between it and a client.
//
// Loop thread only. Owner: the session that the client speaks to; it says when the client is done, this says when the pod is.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "streaming/pumps.h"

namespace slipway::streaming {

class Forwarded {
 public:
  static constexpr std::size_t kClogged = 128 * 1024;

  struct Client {
    std::function<bool()> full;
    std::function<void(std::string_view)> data;
    std::function<void()> end;      // the pod sends no more
    std::function<void()> changed;  // clogged() may have changed
  };

  Forwarded(const boost::asio::any_io_executor& loop, Client client);
  ~Forwarded() { stop(); }
  Forwarded(const Forwarded&) = delete;
  Forwarded& operator=(const Forwarded&) = delete;

  // The client may have sent already.
  Result<void> connected(UniqueFd socket);
  void push(std::string_view bytes) { input_->push(bytes); }
  void finish() { input_->finish(); }
  void resume();
  bool input_done() const { return input_->done(); }
  bool clogged() const { return input_->size() >= kClogged; }
  void stop();

 private:
  const boost::asio::any_io_executor loop_;
  Client client_;
  std::shared_ptr<InputPump> input_;
  std::shared_ptr<OutputPump> output_;
};

}  // namespace slipway::streaming
