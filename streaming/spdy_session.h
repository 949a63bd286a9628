// One end of a SPDY/3.1 connection: bytes in, events and bytes out (SPDY Protocol Draft 3.1).
//
//   client ── SYN_STREAM ─▶ on_stream → reply() ── SYN_REPLY ─▶     Streams are the client's (odd ids): it alone calls open().
//          ── DATA ──────▶ on_data           send() ── DATA ──▶     Data is handed on as it comes, never collected.
//          ── RST_STREAM ▶ on_reset         reset() ── RST_STREAM ▶ ends one stream; the others go on.
//
// Flow control: Kubernetes' clients ignore windows in both directions, so TCP's is what holds a sender up. We give the client's window
// back as its data comes (WINDOW_UPDATE) and do not count our own. Pure; one thread. Bounded: control frames end at kMaxControl,
// the client's open streams at kMaxStreams; what is written is the sink's to bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "streaming/spdy_headers.h"

namespace slipway::streaming {

using StreamId = std::uint32_t;

enum class ResetReason : std::uint32_t {
  protocol_error = 1,
  invalid_stream = 2,
  refused_stream = 3,
  unsupported_version = 4,
  cancel = 5,
  internal_error = 6,
  flow_control_error = 7,
  stream_in_use = 8,
  stream_already_closed = 9,
};

class SpdyEvents {
 public:
  // To be answered by reply() or reset(); data for it may follow at once.
  virtual void on_stream(StreamId id, const Headers& headers) = 0;
  virtual void on_data(StreamId id, std::string_view data) = 0;
  virtual void on_finished(StreamId id) = 0;  // the other side sends no more on it; we still may
  virtual void on_reset(StreamId id) = 0;     // the stream is gone in both directions
  virtual void on_going_away() = 0;           // the other side opens no more streams

 protected:
  ~SpdyEvents() = default;
};

class SpdySession {
 public:
  static constexpr std::size_t kMaxControl = 32 * 1024;
  static constexpr std::size_t kMaxStreams = 512;

  // `sink` takes what is to be written; it must not call back.
  SpdySession(SpdyEvents& events, std::function<void(std::string)> sink) : events_(events), sink_(std::move(sink)) {}
  SpdySession(const SpdySession&) = delete;
  SpdySession& operator=(const SpdySession&) = delete;

  // The connection's next bytes, cut anywhere. An error ends the connection: GOAWAY has been written.
  Result<void> feed(std::string_view bytes);

  // The client's: a stream of ours, which may be sent on at once. 0: the headers cannot be written.
  StreamId open(const Headers& headers);
  // All of these do nothing for a stream that is gone.
  void reply(StreamId id);
  void send(StreamId id, std::string_view data);
  void finish(StreamId id);  // nothing more from us
  void reset(StreamId id, ResetReason reason);
  void go_away();

  std::size_t open_streams() const { return streams_.size(); }

 private:
  struct Stream {
    bool finished_here = false;
    bool finished_there = false;
    std::uint32_t unacknowledged = 0;
  };

  Result<void> take(std::string_view& bytes);
  Result<void> begin_frame();
  Result<void> control(std::string_view body);
  Result<void> syn_stream(std::string_view body);
  Result<void> syn_reply(std::string_view body);
  Result<void> headers(std::string_view body);
  Result<void> settings(std::string_view body);
  void rst_stream(std::string_view body);
  void ping(std::string_view body);
  void data(std::string_view piece);
  void data_end();
  void finished_there(StreamId id);
  void forget_if_done(StreamId id);
  Result<void> broken(Error error);
  void write_control(std::uint16_t type, std::string_view body);

  SpdyEvents& events_;
  std::function<void(std::string)> sink_;
  HeaderReader reader_;
  HeaderWriter writer_;
  std::map<StreamId, Stream> streams_;
  StreamId last_ = 0;  // the newest of the client's, be that who it may
  bool opener_ = false;

  // The frame that is being read.
  std::string head_;  // at most 8 bytes
  std::string body_;  // of a control frame
  bool in_frame_ = false;
  bool is_control_ = false;
  std::uint16_t type_ = 0;
  std::uint8_t flags_ = 0;
  StreamId data_id_ = 0;
  std::size_t left_ = 0;  // bytes of the frame that have not come yet
  bool broken_ = false;
};

}  // namespace slipway::streaming
