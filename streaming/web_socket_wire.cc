// Exec and attach over WebSocket: the first byte of each message is its channel; version 5's CLOSE is channel 255 with the closed one's
// number.
#include <array>
#include <utility>

#include "streaming/command_wire.h"

namespace slipway::streaming {
namespace {

constexpr unsigned char kClose = 255;
constexpr int kCloseVersion = 5;

class WebSocketWire final : public CommandWire, public TransportEvents, public std::enable_shared_from_this<WebSocketWire> {
 public:
  WebSocketWire(std::shared_ptr<Transport> transport, int version, CommandChannels channels)
      : transport_(std::move(transport)), version_(version), open_{channels.in, channels.out, channels.err, true, channels.tty} {}

  void start(std::shared_ptr<CommandEvents> events) override {
    events_ = std::move(events);
    transport_->start(shared_from_this());
    // An empty message tells the client that it is connected.
    const Channel first = is_open(Channel::out) ? Channel::out : is_open(Channel::err) ? Channel::err : Channel::error;
    transport_->send(std::string(1, static_cast<char>(first)));
    events_->on_ready();
  }
  int version() const override { return version_; }

  void send(Channel channel, std::string_view bytes) override {
    if (!is_open(channel) || bytes.empty()) return;
    std::string message;
    message.reserve(1 + bytes.size());
    message += static_cast<char>(channel);
    message += bytes;
    transport_->send(std::move(message));
  }
  // The server has no word for it: the client sees the end of the connection.
  void finish(Channel channel) override { open_[static_cast<std::size_t>(channel)] = false; }
  bool full() const override { return transport_->full(); }
  void pause(bool paused) override { transport_->pause(paused); }
  void end() override {
    events_.reset();
    transport_->finish();
  }

  void on_bytes(std::string_view message) override {
    if (message.empty() || !events_) return;
    const auto channel = static_cast<unsigned char>(message[0]);
    message.remove_prefix(1);
    if (channel == kClose && version_ >= kCloseVersion) return closed(message);
    if (channel == static_cast<unsigned char>(Channel::in) && is_open(Channel::in) && !message.empty()) events_->on_input(message);
    if (channel != static_cast<unsigned char>(Channel::resize) || !is_open(Channel::resize)) return;
    if (const auto size = parse_terminal_size(message)) events_->on_resize(*size);
  }
  void on_writable() override {
    if (const auto events = events_) events->on_writable();
  }
  void on_gone(const std::string& why) override {
    if (const auto events = std::move(events_)) events->on_gone(why);
  }

 private:
  bool is_open(Channel channel) const { return open_[static_cast<std::size_t>(channel)]; }

  void closed(std::string_view which) {
    if (which.size() != 1 || static_cast<unsigned char>(which[0]) >= kChannels) return;
    const auto channel = static_cast<Channel>(which[0]);
    const bool input = channel == Channel::in && is_open(Channel::in);
    if (channel != Channel::error) finish(channel);
    if (input) events_->on_input_end();
  }

  std::shared_ptr<Transport> transport_;
  const int version_;
  std::shared_ptr<CommandEvents> events_;
  std::array<bool, kChannels> open_;
};

}  // namespace

std::shared_ptr<CommandWire> make_web_socket_wire(std::shared_ptr<Transport> transport, int version, CommandChannels channels) {
  return std::make_shared<WebSocketWire>(std::move(transport), version, channels);
}

}  // namespace slipway::streaming
