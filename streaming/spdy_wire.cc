// Exec and attach over SPDY: a stream for each channel, named by its header streamtype.
#include <array>
#include <utility>

#include "streaming/command_wire.h"
#include "streaming/spdy_session.h"

namespace slipway::streaming {
namespace {

constexpr std::array<std::string_view, kChannels> kNames = {"stdin", "stdout", "stderr", "error", "resize"};
constexpr std::size_t kMaxResize = 256;

class SpdyWire final : public CommandWire, public TransportEvents, public SpdyEvents, public std::enable_shared_from_this<SpdyWire> {
 public:
  SpdyWire(std::shared_ptr<Transport> transport, int version, CommandChannels channels)
      : transport_(std::move(transport)),
        version_(version),
        session_(*this, [this](std::string frame) { transport_->send(std::move(frame)); }) {
    wanted_ = {channels.in, channels.out, channels.err, true, channels.tty && version >= 3};
  }

  void start(std::shared_ptr<CommandEvents> events) override {
    events_ = std::move(events);
    transport_->start(shared_from_this());
  }
  int version() const override { return version_; }

  void send(Channel channel, std::string_view bytes) override {
    if (const StreamId id = id_of(channel); id != 0) session_.send(id, bytes);
  }
  void finish(Channel channel) override {
    if (const StreamId id = id_of(channel); id != 0) session_.finish(id);
  }
  bool full() const override { return transport_->full(); }
  void pause(bool paused) override { transport_->pause(paused); }
  void end() override {
    events_.reset();
    session_.go_away();
    transport_->finish();
  }

  void on_bytes(std::string_view bytes) override {
    const auto fed = session_.feed(bytes);
    if (fed.ok()) return;
    const auto events = std::move(events_);
    transport_->finish();  // the client reads why: GOAWAY is on its way
    if (events) events->on_gone(fed.error().message);
  }
  void on_writable() override {
    if (const auto events = events_) events->on_writable();
  }
  void on_gone(const std::string& why) override {
    if (const auto events = std::move(events_)) events->on_gone(why);
  }

  void on_stream(StreamId id, const Headers& headers) override {
    const std::string_view type = find_header(headers, "streamtype");
    for (std::size_t i = 0; i < kChannels; ++i) {
      if (type != kNames[i]) continue;
      if (!wanted_[i] || ids_[i] != 0) break;
      ids_[i] = id;
      session_.reply(id);
      return open();
    }
    session_.reset(id, ResetReason::refused_stream);
  }
  void on_data(StreamId id, std::string_view data) override {
    if (!events_) return;
    if (id == id_of(Channel::in)) events_->on_input(data);
    if (id == id_of(Channel::resize)) resize(data);
  }
  void on_finished(StreamId id) override {
    if (events_ && id == id_of(Channel::in)) events_->on_input_end();
  }
  // One stream ends; what it carried goes nowhere from now on.
  void on_reset(StreamId id) override {
    const bool input = id == id_of(Channel::in);
    for (StreamId& known : ids_)
      if (known == id) known = kClosed;
    if (events_ && input) events_->on_input_end();
  }
  void on_going_away() override {}

 private:
  static constexpr StreamId kClosed = 0x80000000;  // was there

  StreamId id_of(Channel channel) const {
    const StreamId id = ids_[static_cast<std::size_t>(channel)];
    return id == kClosed ? 0 : id;
  }

  void open() {
    for (std::size_t i = 0; i < kChannels; ++i)
      if (wanted_[i] && ids_[i] == 0) return;
    if (events_) events_->on_ready();
  }

  // A document may be cut anywhere, and several may come at once.
  void resize(std::string_view data) {
    for (const char c : data) {
      resize_ += c;
      if (resize_.size() > kMaxResize) resize_.clear();
      if (c != '}') continue;
      const auto size = parse_terminal_size(std::exchange(resize_, {}));
      if (size && events_) events_->on_resize(*size);
    }
  }

  std::shared_ptr<Transport> transport_;
  const int version_;
  SpdySession session_;
  std::shared_ptr<CommandEvents> events_;
  std::array<bool, kChannels> wanted_{};
  std::array<StreamId, kChannels> ids_{};
  std::string resize_;
};

}  // namespace

std::shared_ptr<CommandWire> make_spdy_wire(std::shared_ptr<Transport> transport, int version, CommandChannels channels) {
  return std::make_shared<SpdyWire>(std::move(transport), version, channels);
}

}  // namespace slipway::streaming
