// A log's bytes on their way from the monitor to its writer: memory that both processes share.
//
//   monitor: whole entries at head ──▶ [ data: a ring ] ──▶ tail: appended to the file by the writer
// Both counters only grow; what is between them is not yet in the file. The writer notes the file's size before each write, so the one
// after it finds out what its predecessor had still written when it was killed: no entry is lost, none comes twice (docs/adr/0009).
#pragma once

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>

namespace slipway::monitor {

struct LogRing {
  static constexpr std::size_t kSize = 1 << 20;  // pages that are never touched cost nothing
  enum State : std::uint32_t { kFree, kOpen, kClosing, kDone };

  std::atomic<std::uint32_t> state;    // the monitor: Free or Done → Open → Closing; the writer: Closing → Done when all is written
  std::atomic<std::uint32_t> waiting;  // the monitor wants to be woken by the next progress
  std::atomic<std::uint64_t> head;
  std::atomic<std::uint64_t> tail;

  // A rotation: the monitor counts `wanted` up; the writer opens the path anew when it has come to `reopen_at`.
  std::atomic<std::uint64_t> reopen_at;
  std::atomic<std::uint32_t> reopen_wanted;
  std::atomic<std::uint32_t> reopened;
  std::atomic<std::int32_t> reopen_errno;  // of the last one; 0 = done

  // The writer's own, kept here for the one after it.
  std::uint64_t file_size;                // before the write under way
  std::atomic<std::uint64_t> write_size;  // of the write under way; 0 = none
  std::uint64_t lost;                     // entries since the last notice
  std::int32_t lost_errno;

  char path[PATH_MAX];
  char data[kSize];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

struct LogRegion {
  static constexpr std::size_t kRings = 64;
  std::atomic<std::uint32_t> sleeping;  // the writer waits for a wake
  LogRing rings[kRings];
};

}  // namespace slipway::monitor
