// Copying output to readers without waiting for them.
#include "monitor/attachments.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/weaken.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::monitor {

Result<void> Attachments::add(UniqueFd pipe, Stream stream) {
  if (all_.size() >= kMax) return fail(Code::resource_exhausted, "{} readers are attached already", all_.size());
  TRY(sys::set_nonblocking(pipe));
  all_.emplace_back();
  const auto at = std::prev(all_.end());
  at->pipe = std::move(pipe);
  at->stream = stream;
  if (weakened(Defence::reader_gone)) return {};
  auto watched = at->watch.start(loop_, at->pipe, 0, [this, at](std::uint32_t) { all_.erase(at); });
  if (!watched.ok()) all_.erase(at);
  return watched;
}

void Attachments::write(Stream stream, std::string_view bytes) {
  for (auto at = all_.begin(); at != all_.end();) {
    const auto here = at++;
    if (here->stream != stream) continue;
    const ssize_t n = sys::retry_eintr([&] { return ::write(here->pipe.get(), bytes.data(), bytes.size()); });
    if (n < 0 && errno != EAGAIN) all_.erase(here);
  }
}

}  // namespace slipway::monitor
