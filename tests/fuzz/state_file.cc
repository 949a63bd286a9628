// A container's state directory: state.json and host-root. What is read back from what was written is the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/container_record.h"
#include "runtime/host_root.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::runtime;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto root = parse_host_root(text); root.ok()) {
    const std::string once = write_host_root(root.value());
    const auto again = parse_host_root(once);
    if (!again.ok() || write_host_root(again.value()) != once) std::abort();
  }
  const auto record = parse_record(text);
  if (!record.ok()) return 0;
  const std::string once = write_record(record.value());
  const auto again = parse_record(once);
  if (!again.ok() || write_record(again.value()) != once) std::abort();
  for (const Status status : {Status::creating, Status::created, Status::running, Status::paused, Status::stopped}) {
    (void)write_state(record.value(), status, "root");
    (void)write_hook_state(record.value(), status);
  }
  return 0;
}
