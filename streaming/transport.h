// One client's connection after the HTTP upgrade, as bytes (TCP) or as messages (WebSocket): what the protocols stand on.
//
// Loop thread only. Bounded both ways: who writes looks at full() and waits for on_writable(); who cannot take more input says pause().
// Input is paused by itself while the output is full, so that a client cannot make us answer more than it reads.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace slipway::streaming {

class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  // A piece of the stream, or one whole message.
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_writable() = 0;  // full() was true and is not any more
  // The client is gone, or broke the protocol, or was idle for too long. Once, and the last event; not after finish().
  virtual void on_gone(const std::string& why) = 0;
};

class Transport {
 public:
  static constexpr std::size_t kFull = 256 * 1024;

  virtual ~Transport() = default;
  // `events` is kept until the connection is closed.
  virtual void start(std::shared_ptr<TransportEvents> events) = 0;
  virtual void send(std::string bytes) = 0;
  virtual bool full() const = 0;
  virtual void pause(bool paused) = 0;
  // No more events. What was sent is written, the client is told politely and given a few seconds, then the connection closes.
  virtual void finish() = 0;
  // Closes now; on_gone follows unless finish() came before.
  virtual void abort(const std::string& why) = 0;
};

}  // namespace slipway::streaming
