// Layers' tar streams as registries send them, cut into small pieces.
#include <cstdint>
#include <string_view>

#include "image/tar.h"
#include "image/unpack.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::image;
  TextReader reader({reinterpret_cast<const char*>(data), size}, 333);
  TarReader tar(reader);
  TarEntry entry;
  for (;;) {
    const auto more = tar.next(entry);
    if (!more.ok() || !more.value()) break;
    (void)clean_path(entry.path).ok();
    (void)follow_in_root(entry.path, entry.link);
    for (;;) {
      const auto bytes = tar.data();
      if (!bytes.ok() || bytes.value().empty()) break;
    }
  }
  (void)tar.drain().ok();
  return 0;
}
