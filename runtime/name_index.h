// Names found by their hash, in a table made at compile time: a profile names hundreds of system calls, and a search by halves guesses
// wrong at each of its steps.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slipway::runtime {

// Of entries with a `name`, which outlive it.
template <class Entry, std::size_t Count>
class NameIndex {
 public:
  consteval explicit NameIndex(const std::array<Entry, Count>& entries) : entries_(entries.data()) {
    for (std::size_t i = 0; i < Count; ++i) {
      std::size_t slot = first_slot(entries[i].name);
      while (slots_[slot] != 0) slot = after(slot);
      slots_[slot] = static_cast<std::uint16_t>(i + 1);
    }
  }

  // nullptr: there is none.
  const Entry* find(std::string_view name) const {
    for (std::size_t slot = first_slot(name); slots_[slot] != 0; slot = after(slot)) {
      const Entry& entry = entries_[slots_[slot] - 1];
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }

 private:
  static constexpr std::size_t kSlots = std::bit_ceil(Count * 2);  // never full: each search ends
  static_assert(Count < UINT16_MAX);

  static constexpr std::size_t after(std::size_t slot) { return (slot + 1) % kSlots; }
  // FNV-1a. Names that were chosen to collide make a search through the whole table, which is short.
  static constexpr std::size_t first_slot(std::string_view name) {
    std::uint32_t hash = 2166136261U;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    return (hash ^ hash >> 16) % kSlots;
  }

  const Entry* entries_;
  std::array<std::uint16_t, kSlots> slots_{};
};

}  // namespace slipway::runtime
