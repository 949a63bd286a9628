// Varints, tags and lengths.
#include "runtime/criu/wire.h"

namespace slipway::runtime::criu {
namespace {

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Ten bytes of seven bits hold 64.
bool take_varint(std::string_view& in, std::uint64_t& out) {
  out = 0;
  for (unsigned shift = 0; shift < 70 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    out |= static_cast<std::uint64_t>(byte & 0x7fU) << (shift < 64 ? shift : 63);
    if ((byte & 0x80U) == 0) return true;
  }
  return false;
}

bool take_bytes(std::string_view& in, std::uint64_t size, std::string_view& out) {
  if (size > in.size()) return false;
  out = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

bool take_value(std::string_view& in, unsigned type, Field& field) {
  switch (type) {
    case kVarint: return take_varint(in, field.value);
    case kFixed64: return take_bytes(in, 8, field.bytes);
    case kFixed32: return take_bytes(in, 4, field.bytes);
    case kBytes: {
      std::uint64_t size = 0;
      return take_varint(in, size) && take_bytes(in, size, field.bytes);
    }
    default: return false;
  }
}

}  // namespace

void Writer::varint(std::uint64_t value) {
  while (value >= 0x80) {
    out_ += static_cast<char>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  out_ += static_cast<char>(value);
}

void Writer::number(unsigned field, std::int64_t value) {
  varint(std::uint64_t{field} << 3 | kVarint);
  varint(static_cast<std::uint64_t>(value));
}

void Writer::bytes(unsigned field, std::string_view value) {
  varint(std::uint64_t{field} << 3 | kBytes);
  varint(value.size());
  out_ += value;
}

Result<std::vector<Field>> read_fields(std::string_view message) {
  std::vector<Field> out;
  while (!message.empty()) {
    std::uint64_t tag = 0;
    Field field;
    if (!take_varint(message, tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
      return fail(Code::data_loss, "a message has a field without a number");
    field.number = static_cast<unsigned>(tag >> 3);
    if (!take_value(message, static_cast<unsigned>(tag & 7), field))
      return fail(Code::data_loss, "field {} of a message is cut short", field.number);
    out.push_back(field);
  }
  return out;
}

}  // namespace slipway::runtime::criu
