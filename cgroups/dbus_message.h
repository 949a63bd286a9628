// D-Bus messages as bytes: what systemd's manager is asked and answers, no more (D-Bus specification, "Message Protocol").
//
// Pure. Little endian only: the one peer is a bus on this machine. What is read has bounds: a message ends at kMaxMessage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::cgroups::dbus {

inline constexpr std::size_t kMaxMessage = 1 << 20;  // the specification allows 128 MiB
inline constexpr std::size_t kFixedHeader = 16;

enum class Type : std::uint8_t { method_call = 1, method_return = 2, error = 3, signal = 4 };

// Of a basic type.
std::size_t alignment_of(char type);

// Values one after another, each on its own alignment, from the beginning of a message's body (or of its header).
class Writer {
 public:
  void byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  void boolean(bool value) { u32(value ? 1 : 0); }
  void string(std::string_view value);  // also an object path
  void signature(std::string_view value);
  void number(char type, std::uint64_t bits);  // b y n q i u x t d
  void begin_struct() { align(8); }

  // An array's length stands before it, in bytes, without the padding before its first element.
  struct Array {
    std::size_t length_at = 0;
    std::size_t first = 0;
  };
  Array begin_array(std::size_t element_alignment);
  void end_array(const Array& array);

  const std::string& bytes() const { return out_; }

 private:
  void align(std::size_t to) { out_.resize((out_.size() + to - 1) / to * to); }
  void store(std::size_t at, std::uint32_t value);
  std::string out_;
};

// The counterpart. Everything that does not fit is data_loss.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  Result<std::uint8_t> byte();
  Result<std::uint32_t> u32();
  Result<std::uint64_t> u64();
  Result<std::string_view> string();
  Result<std::string_view> signature();
  Result<void> align(std::size_t to);
  // A value of one complete basic type, or an array of such.
  Result<void> skip(std::string_view type);
  std::size_t at() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  Result<std::string_view> take(std::size_t size);
  std::string_view bytes_;
  std::size_t at_ = 0;
};

struct Call {
  std::string destination, path, interface, member;
  std::string signature = {};
  std::string body = {};  // of a Writer
};
std::string encode_call(std::uint32_t serial, const Call& call);

struct Message {
  Type type = Type::method_return;
  std::uint32_t serial = 0;
  std::uint32_t reply_to = 0;
  std::string path, interface, member, error_name, sender, signature;
  std::string body;
};

// How long the message is whose first kFixedHeader bytes these are.
Result<std::size_t> message_size(std::string_view fixed_header);
// A whole message.
Result<Message> decode(std::string_view bytes);

}  // namespace slipway::cgroups::dbus
