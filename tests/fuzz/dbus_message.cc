// What a D-Bus peer sends: sizes, headers of any shape, and the bodies that systemd's manager answers with.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cgroups/dbus_message.h"

using namespace slipway;
using namespace slipway::cgroups::dbus;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = message_size(bytes);
  if (!whole.ok()) return 0;
  if (whole.value() < kFixedHeader || whole.value() > kMaxMessage) std::abort();
  const auto message = decode(bytes.substr(0, whole.value()));
  if (!message.ok()) return 0;
  if (bytes.size() < whole.value()) std::abort();
  if (message.value().body.size() > whole.value() - kFixedHeader) std::abort();
  Reader in(message.value().body);
  for (const char type : message.value().signature) {
    const std::size_t before = in.at();
    if (!in.skip(std::string_view(&type, 1)).ok()) break;
    if (in.at() < before || in.at() > message.value().body.size()) std::abort();
  }
  return 0;
}
