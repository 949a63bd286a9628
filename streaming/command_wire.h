// The client's end of an exec or attach, whichever protocol carries it.
//
// Loop thread only. The wire keeps its events until the client is gone or end() is called.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "streaming/protocols.h"
#include "streaming/transport.h"

namespace slipway::streaming {

// The numbers are WebSocket's channel bytes.
enum class Channel : std::uint8_t { in = 0, out = 1, err = 2, error = 3, resize = 4 };
inline constexpr std::size_t kChannels = 5;

struct CommandChannels {  // that the request wants beside `error`
  bool tty = false;
  bool in = false, out = false, err = false;
};

class CommandEvents {
 public:
  virtual ~CommandEvents() = default;
  virtual void on_ready() = 0;  // the client has opened all its channels; input may follow at once
  virtual void on_input(std::string_view bytes) = 0;
  virtual void on_input_end() = 0;
  virtual void on_resize(TerminalSize size) = 0;
  virtual void on_writable() = 0;
  virtual void on_gone(const std::string& why) = 0;  // the last one
};

class CommandWire {
 public:
  virtual ~CommandWire() = default;
  virtual void start(std::shared_ptr<CommandEvents> events) = 0;
  virtual int version() const = 0;
  // Nothing for a channel that the client did not want, or has reset.
  virtual void send(Channel channel, std::string_view bytes) = 0;
  virtual void finish(Channel channel) = 0;  // no more on it from us
  virtual bool full() const = 0;
  virtual void pause(bool paused) = 0;
  virtual void end() = 0;  // everything was said: no more events
};

std::shared_ptr<CommandWire> make_spdy_wire(std::shared_ptr<Transport> transport, int version, CommandChannels channels);
std::shared_ptr<CommandWire> make_web_socket_wire(std::shared_ptr<Transport> transport, int version, CommandChannels channels);

}  // namespace slipway::streaming
