// A container's output: however it is cut into reads, a reader of the log gets the same bytes back. The first byte seeds the cuts.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/log_format.h"

namespace {

using namespace slipway::monitor;

// What the kubelet does with a log: pieces are joined, a whole line gets its newline back.
class Reader final : public LogOutput {
 public:
  void write(const LogBatch& batch) override {
    std::string text;
    for (std::size_t i = 0; i < batch.part_count; ++i)
      text.append(static_cast<const char*>(batch.parts[i].iov_base), batch.parts[i].iov_len);
    if (text.size() != batch.bytes()) std::abort();
    std::size_t at = 0;
    for (std::size_t i = 0; i < batch.entry_count; at = batch.ends[i++]) {
      const std::string_view entry = std::string_view(text).substr(at, batch.ends[i] - at);
      constexpr std::size_t kPrefix = kTimeLength + sizeof " stdout F " - 1;
      if (entry.size() < kPrefix + 1 || entry.size() > kPrefix + kMaxLine + 1 || entry.back() != '\n') std::abort();
      if (entry.find('\n') != entry.size() - 1) std::abort();
      const bool whole = entry[kPrefix - 2] == 'F';
      joined.append(entry.substr(kPrefix, entry.size() - kPrefix - (whole ? 0 : 1)));
    }
  }
  std::string joined;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::uint32_t state = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<char> hold(kMaxLine);
  LogFormatter formatter(Stream::out, std::span<char>(hold));
  LogBatch batch;
  Reader reader;
  for (std::size_t at = 0; at < text.size();) {
    state = state * 1664525U + 1013904223U;
    const std::size_t step = 1 + state / 65536U % (data[0] % 2 == 0 ? 7U : 20'000U);
    formatter.feed(text.substr(at, step), state, batch, reader);
    at += step;
    if (state % 64U == 0) formatter.flush(state, batch, reader);
  }
  formatter.flush(0, batch, reader);
  if (reader.joined != text) std::abort();
  return 0;
}
