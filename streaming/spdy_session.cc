// Frames in and out.
#include "streaming/spdy_session.h"

#include <algorithm>
#include <utility>

#include "streaming/bytes.h"

namespace slipway::streaming {
namespace {

constexpr std::size_t kHead = 8;
constexpr std::uint16_t kVersion = 3;
constexpr std::uint8_t kFin = 1;
constexpr std::uint8_t kUnidirectional = 2;
constexpr std::uint32_t kIdMask = 0x7fffffff;
constexpr std::uint32_t kGiveBack = 16 * 1024;  // of a window of 64 KiB
constexpr std::size_t kMaxData = 64 * 1024;     // a frame of ours

enum Type : std::uint16_t {
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8,
  kWindowUpdate = 9,
};

enum class GoAwayReason : std::uint32_t { ok = 0, protocol_error = 1 };

}  // namespace

void SpdySession::write_control(std::uint16_t type, std::string_view body) {
  std::string frame;
  frame.reserve(kHead + body.size());
  put_u32(frame, 0x80000000U | static_cast<std::uint32_t>(kVersion) << 16 | type);
  put_u32(frame, static_cast<std::uint32_t>(body.size()));
  frame += body;
  sink_(std::move(frame));
}

Result<void> SpdySession::broken(Error error) {
  if (!broken_) {
    broken_ = true;
    std::string body;
    put_u32(body, last_);
    put_u32(body, static_cast<std::uint32_t>(GoAwayReason::protocol_error));
    write_control(kGoAway, body);
  }
  return error;
}

Result<void> SpdySession::feed(std::string_view bytes) {
  if (broken_) return fail(Code::failed_precondition, "SPDY: the connection has broken the protocol before");
  while (!bytes.empty()) {
    const auto taken = take(bytes);
    if (!taken.ok()) return broken(taken.error());
  }
  return {};
}

// One piece of a frame: its head, a part of its body, or the rest of it.
Result<void> SpdySession::take(std::string_view& bytes) {
  if (!in_frame_) {
    const std::size_t wanted = std::min(kHead - head_.size(), bytes.size());
    head_ += bytes.substr(0, wanted);
    bytes.remove_prefix(wanted);
    if (head_.size() < kHead) return {};
    TRY(begin_frame());
  }
  const std::size_t here = std::min(left_, bytes.size());
  const std::string_view piece = bytes.substr(0, here);
  bytes.remove_prefix(here);
  left_ -= here;
  if (is_control_) {
    body_ += piece;
  } else if (!piece.empty()) {
    data(piece);
  }
  if (left_ > 0) return {};
  in_frame_ = false;
  head_.clear();
  if (!is_control_) {
    data_end();
    return {};
  }
  const std::string body = std::exchange(body_, {});
  return control(body);
}

Result<void> SpdySession::begin_frame() {
  const std::uint32_t first = get_u32(head_, 0);
  const std::uint32_t second = get_u32(head_, 4);
  in_frame_ = true;
  is_control_ = (first & 0x80000000U) != 0;
  flags_ = static_cast<std::uint8_t>(second >> 24);
  left_ = second & 0xffffff;
  if (!is_control_) {
    data_id_ = first & kIdMask;
    if (data_id_ == 0) return fail(Code::invalid_argument, "SPDY: data for stream 0");
    return {};
  }
  type_ = static_cast<std::uint16_t>(first);
  const std::uint32_t version = first >> 16 & 0x7fff;
  if (version != kVersion) return fail(Code::invalid_argument, "SPDY: version {}, not {}", version, kVersion);
  if (left_ > kMaxControl) return fail(Code::invalid_argument, "SPDY: a control frame of {} bytes", left_);
  return {};
}

Result<void> SpdySession::control(std::string_view body) {
  const auto wants = [&](std::size_t size) -> Result<void> {
    if (body.size() >= size) return {};
    return fail(Code::invalid_argument, "SPDY: a control frame {} of {} bytes", type_, body.size());
  };
  switch (type_) {
    case kSynStream: TRY(wants(10)); return syn_stream(body);
    case kSynReply: TRY(wants(4)); return syn_reply(body);
    case kHeaders: TRY(wants(4)); return headers(body);
    case kRstStream:
      TRY(wants(8));
      rst_stream(body);
      return {};
    case kSettings: TRY(wants(4)); return settings(body);
    case kPing:
      TRY(wants(4));
      ping(body);
      return {};
    case kGoAway: events_.on_going_away(); return {};
    case kWindowUpdate: return wants(8);  // see the header: windows of ours are not counted
    default: return {};                   // the draft: unknown ones are ignored
  }
}

Result<void> SpdySession::syn_stream(std::string_view body) {
  const StreamId id = get_u32(body, 0) & kIdMask;
  // Read also where the stream is refused: the blocks of a connection are one zlib stream.
  TRY_ASSIGN(const Headers headers, reader_.read(body.substr(10)));
  if (opener_) return fail(Code::invalid_argument, "SPDY: stream {} is opened by the server", id);
  if (id % 2 == 0 || id <= last_) return fail(Code::invalid_argument, "SPDY: stream {} after stream {}", id, last_);
  last_ = id;
  if (streams_.size() >= kMaxStreams) {
    streams_.emplace(id, Stream{});
    reset(id, ResetReason::refused_stream);
    return {};
  }
  streams_.emplace(id, Stream{(flags_ & kUnidirectional) != 0, false, 0});
  const bool fin = (flags_ & kFin) != 0;
  events_.on_stream(id, headers);
  if (fin) finished_there(id);
  return {};
}

Result<void> SpdySession::syn_reply(std::string_view body) {
  const StreamId id = get_u32(body, 0) & kIdMask;
  if (!opener_ || id % 2 == 0 || id > last_) return fail(Code::invalid_argument, "SPDY: SYN_REPLY to a stream that we never opened");
  return headers(body);
}

Result<void> SpdySession::headers(std::string_view body) {
  const StreamId id = get_u32(body, 0) & kIdMask;
  TRY(reader_.read(body.substr(4)));  // for the state of the zlib stream; nothing here has a meaning
  if ((flags_ & kFin) != 0) finished_there(id);
  return {};
}

Result<void> SpdySession::settings(std::string_view body) {
  const std::size_t count = get_u32(body, 0);
  if ((body.size() - 4) / 8 == count && (body.size() - 4) % 8 == 0) return {};
  return fail(Code::invalid_argument, "SPDY: {} settings in {} bytes", count, body.size());
}

void SpdySession::rst_stream(std::string_view body) {
  const StreamId id = get_u32(body, 0) & kIdMask;
  if (streams_.erase(id) > 0) events_.on_reset(id);
}

void SpdySession::ping(std::string_view body) {
  if (get_u32(body, 0) % 2 == 1) write_control(kPing, body.substr(0, 4));  // even ones would be answers to ours
}

void SpdySession::data(std::string_view piece) {
  const auto at = streams_.find(data_id_);
  if (at == streams_.end()) return;  // of a stream that we have ended: it was under way
  Stream& stream = at->second;
  if (stream.finished_there) return reset(data_id_, ResetReason::stream_already_closed);
  stream.unacknowledged += static_cast<std::uint32_t>(piece.size());
  if (stream.unacknowledged >= kGiveBack) {
    for (const StreamId window : {data_id_, StreamId{0}}) {  // the stream's and the connection's
      std::string body;
      put_u32(body, window);
      put_u32(body, stream.unacknowledged);
      write_control(kWindowUpdate, body);
    }
    stream.unacknowledged = 0;
  }
  events_.on_data(data_id_, piece);
}

void SpdySession::data_end() {
  if ((flags_ & kFin) != 0)
    finished_there(data_id_);
  else if (!streams_.contains(data_id_) && data_id_ > last_) {
    std::string body;
    put_u32(body, data_id_);
    put_u32(body, static_cast<std::uint32_t>(ResetReason::invalid_stream));
    write_control(kRstStream, body);
  }
}

void SpdySession::finished_there(StreamId id) {
  const auto at = streams_.find(id);
  if (at == streams_.end() || at->second.finished_there) return;
  at->second.finished_there = true;
  events_.on_finished(id);
  forget_if_done(id);
}

void SpdySession::forget_if_done(StreamId id) {
  const auto at = streams_.find(id);
  if (at != streams_.end() && at->second.finished_here && at->second.finished_there) streams_.erase(at);
}

StreamId SpdySession::open(const Headers& headers) {
  const auto block = writer_.write(headers);
  if (!block.ok()) return 0;
  opener_ = true;
  last_ = last_ == 0 ? 1 : last_ + 2;
  streams_.emplace(last_, Stream{});
  std::string body;
  put_u32(body, last_);
  put_u32(body, 0);  // belongs to no other stream
  put_u32(body, 0);  // priority 0, no slot
  body.resize(10);   // those are two bytes
  body += block.value();
  write_control(kSynStream, body);
  return last_;
}

void SpdySession::reply(StreamId id) {
  if (!streams_.contains(id)) return;
  std::string body;
  put_u32(body, id);
  auto block = writer_.write({});
  if (!block.ok()) return reset(id, ResetReason::internal_error);
  body += block.value();
  write_control(kSynReply, body);
}

void SpdySession::send(StreamId id, std::string_view data) {
  const auto at = streams_.find(id);
  if (at == streams_.end() || at->second.finished_here) return;
  while (!data.empty()) {
    const std::string_view piece = data.substr(0, kMaxData);
    data.remove_prefix(piece.size());
    std::string frame;
    frame.reserve(kHead + piece.size());
    put_u32(frame, id);
    put_u32(frame, static_cast<std::uint32_t>(piece.size()));
    frame += piece;
    sink_(std::move(frame));
  }
}

void SpdySession::finish(StreamId id) {
  const auto at = streams_.find(id);
  if (at == streams_.end() || at->second.finished_here) return;
  at->second.finished_here = true;
  std::string frame;
  put_u32(frame, id);
  put_u32(frame, static_cast<std::uint32_t>(kFin) << 24);
  sink_(std::move(frame));
  forget_if_done(id);
}

void SpdySession::reset(StreamId id, ResetReason reason) {
  if (streams_.erase(id) == 0) return;
  std::string body;
  put_u32(body, id);
  put_u32(body, static_cast<std::uint32_t>(reason));
  write_control(kRstStream, body);
}

void SpdySession::go_away() {
  std::string body;
  put_u32(body, last_);
  put_u32(body, static_cast<std::uint32_t>(GoAwayReason::ok));
  write_control(kGoAway, body);
}

}  // namespace slipway::streaming
