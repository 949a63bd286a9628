// A SPDY client's bytes: however they are cut, the events and the answers are the same. The first byte seeds the cuts.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "streaming/spdy_session.h"

namespace {

using namespace slipway::streaming;

class Listener final : public SpdyEvents {
 public:
  void on_stream(StreamId id, const Headers& headers) override {
    if (headers.size() > HeaderReader::kMaxHeaders) std::abort();
    note('o', id);
    if (id % 8 == 7) return session.reset(id, ResetReason::refused_stream);
    session.reply(id);
    session.send(id, find_header(headers, "streamtype"));
  }
  void on_data(StreamId id, std::string_view data) override {
    for (const char c : data) told += c;
    if (data.find('!') != std::string_view::npos) session.finish(id);
  }
  void on_finished(StreamId id) override { note('f', id); }
  void on_reset(StreamId id) override { note('r', id); }
  void on_going_away() override { told += 'a'; }

  void note(char what, StreamId id) { told += what + std::to_string(id); }

  std::string told, written;
  SpdySession session{*this, [this](const std::string& frame) { written += frame; }};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Listener whole, cut;
  const bool good = whole.session.feed(bytes).ok();
  if (whole.session.open_streams() > SpdySession::kMaxStreams) std::abort();
  bool cut_good = true;
  std::uint32_t state = data[0];
  for (std::size_t at = 0; at < bytes.size() && cut_good;) {
    state = state * 1664525U + 1013904223U;
    const std::size_t step = 1 + state / 65536U % 40U;
    cut_good = cut.session.feed(bytes.substr(at, step)).ok();
    at += step;
  }
  if (good != cut_good || whole.told != cut.told) std::abort();
  return 0;
}
