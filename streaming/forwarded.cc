// The pumps of a forwarded connection.
#include "streaming/forwarded.h"

#include <utility>

#include "sys/descriptor.h"

namespace slipway::streaming {

Forwarded::Forwarded(const boost::asio::any_io_executor& loop, Client client)
    : loop_(loop), client_(std::move(client)), input_(std::make_shared<InputPump>(loop, client_.changed)) {}

Result<void> Forwarded::connected(UniqueFd socket) {
  TRY_ASSIGN(UniqueFd copy, sys::copy_fd(socket));  // a descriptor for each direction
  output_ = std::make_shared<OutputPump>(loop_, std::move(socket), OutputPump::Client{client_.full, client_.data, client_.end});
  input_->start(std::move(copy));
  output_->start();
  return {};
}

void Forwarded::resume() {
  if (const auto output = output_) output->resume();
}

void Forwarded::stop() {
  input_->stop();
  if (const auto output = std::exchange(output_, nullptr)) output->stop();
}

}  // namespace slipway::streaming
