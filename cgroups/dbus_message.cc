// Marshalling, as the D-Bus specification has it under "Marshaling (Wire Format)".
#include "cgroups/dbus_message.h"

#include <cstring>

namespace slipway::cgroups::dbus {
namespace {

constexpr char kLittleEndian = 'l';
constexpr std::uint8_t kProtocolVersion = 1;
constexpr std::size_t kMaxHeader = 64 << 10;

// The header's fields, by number.
enum Field : std::uint8_t {
  path = 1,
  interface = 2,
  member = 3,
  error_name = 4,
  reply_serial = 5,
  destination = 6,
  sender = 7,
  signature = 8
};

Error broken(const char* what) {
  return fail(Code::data_loss, "a D-Bus message {}", what);
}

std::size_t padded(std::size_t size) {
  return (size + 7) / 8 * 8;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t out = 0;
  std::memcpy(&out, bytes.data() + at, sizeof out);  // this machine is little endian too
  return out;
}

void put_field(Writer& out, Field field, std::string_view type, std::string_view value) {
  if (value.empty()) return;
  out.begin_struct();
  out.byte(field);
  out.signature(type);
  if (type == "g") {
    out.signature(value);
  } else {
    out.string(value);
  }
}

// What a field of a text says goes where; fields of newer specifications are passed over.
std::string* place_of(Message& message, std::uint8_t field) {
  switch (field) {
    case Field::path: return &message.path;
    case Field::interface: return &message.interface;
    case Field::member: return &message.member;
    case Field::error_name: return &message.error_name;
    case Field::sender: return &message.sender;
    default: return nullptr;
  }
}

Result<void> read_field(Reader& in, Message& message) {
  TRY(in.align(8));
  TRY_ASSIGN(const std::uint8_t field, in.byte());
  TRY_ASSIGN(const std::string_view type, in.signature());
  constexpr const char* kOther = "has a header field of another type";
  if (std::string* place = place_of(message, field); place != nullptr) {
    if (type != "s" && type != "o") return broken(kOther);
    TRY_ASSIGN(const std::string_view text, in.string());
    *place = text;
    return {};
  }
  if (field == Field::reply_serial) {
    if (type != "u") return broken(kOther);
    TRY_ASSIGN(message.reply_to, in.u32());
    return {};
  }
  if (field == Field::signature) {
    if (type != "g") return broken(kOther);
    TRY_ASSIGN(const std::string_view text, in.signature());
    message.signature = text;
    return {};
  }
  return in.skip(type);
}

}  // namespace

std::size_t alignment_of(char type) {
  switch (type) {
    case 'y':
    case 'g': return 1;
    case 'n':
    case 'q': return 2;
    case 'x':
    case 't':
    case 'd': return 8;
    default: return 4;
  }
}

void Writer::u32(std::uint32_t value) {
  align(4);
  out_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void Writer::u64(std::uint64_t value) {
  align(8);
  out_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void Writer::number(char type, std::uint64_t bits) {
  const std::size_t size = alignment_of(type);  // of numbers it is the size too
  align(size);
  out_.append(reinterpret_cast<const char*>(&bits), size);
}

void Writer::string(std::string_view value) {
  u32(static_cast<std::uint32_t>(value.size()));
  out_ += value;
  out_ += '\0';
}

void Writer::signature(std::string_view value) {
  byte(static_cast<std::uint8_t>(value.size()));
  out_ += value;
  out_ += '\0';
}

Writer::Array Writer::begin_array(std::size_t element_alignment) {
  u32(0);
  Array array;
  array.length_at = out_.size() - sizeof(std::uint32_t);
  align(element_alignment);
  array.first = out_.size();
  return array;
}

void Writer::end_array(const Array& array) {
  store(array.length_at, static_cast<std::uint32_t>(out_.size() - array.first));
}

void Writer::store(std::size_t at, std::uint32_t value) {
  std::memcpy(out_.data() + at, &value, sizeof value);
}

Result<std::string_view> Reader::take(std::size_t size) {
  if (size > bytes_.size() - at_) return broken("ends in the middle of a value");
  const std::string_view out = bytes_.substr(at_, size);
  at_ += size;
  return out;
}

Result<void> Reader::align(std::size_t to) {
  const std::size_t next = (at_ + to - 1) / to * to;
  TRY(take(next - at_));
  return {};
}

Result<std::uint8_t> Reader::byte() {
  TRY_ASSIGN(const std::string_view one, take(1));
  return static_cast<std::uint8_t>(one[0]);
}

Result<std::uint32_t> Reader::u32() {
  TRY(align(4));
  TRY_ASSIGN(const std::string_view four, take(4));
  return number_at(four, 0);
}

Result<std::uint64_t> Reader::u64() {
  TRY(align(8));
  TRY_ASSIGN(const std::string_view eight, take(8));
  std::uint64_t out = 0;
  std::memcpy(&out, eight.data(), sizeof out);
  return out;
}

Result<std::string_view> Reader::string() {
  TRY_ASSIGN(const std::uint32_t size, u32());
  TRY_ASSIGN(const std::string_view text, take(size));
  TRY_ASSIGN(const std::string_view end, take(1));
  if (end[0] != '\0' || text.find('\0') != std::string_view::npos) return broken("has a string without its end");
  return text;
}

Result<std::string_view> Reader::signature() {
  TRY_ASSIGN(const std::uint8_t size, byte());
  TRY_ASSIGN(const std::string_view text, take(size));
  TRY_ASSIGN(const std::string_view end, take(1));
  if (end[0] != '\0' || text.find('\0') != std::string_view::npos) return broken("has a signature without its end");
  return text;
}

Result<void> Reader::skip(std::string_view type) {
  if (type.size() == 2 && type[0] == 'a') {
    TRY_ASSIGN(const std::uint32_t size, u32());
    const bool wide = type[1] == 'x' || type[1] == 't' || type[1] == 'd';
    if (wide) TRY(align(8));
    TRY(take(size));
    return {};
  }
  if (type.size() != 1) return broken("has a value of a type that is not known");
  switch (type[0]) {
    case 'y': return byte().ok() ? Result<void>{} : broken("ends in the middle of a value");
    case 'n':
    case 'q':
      TRY(align(2));
      TRY(take(2));
      return {};
    case 'b':
    case 'i':
    case 'u':
    case 'h': TRY(u32()); return {};
    case 'x':
    case 't':
    case 'd': TRY(u64()); return {};
    case 's':
    case 'o': TRY(string()); return {};
    case 'g': TRY(signature()); return {};
    default: return broken("has a value of a type that is not known");
  }
}

std::string encode_call(std::uint32_t serial, const Call& call) {
  Writer out;
  out.byte(kLittleEndian);
  out.byte(static_cast<std::uint8_t>(Type::method_call));
  out.byte(0);  // flags: an answer is wanted
  out.byte(kProtocolVersion);
  out.u32(static_cast<std::uint32_t>(call.body.size()));
  out.u32(serial);
  const Writer::Array fields = out.begin_array(8);
  put_field(out, Field::path, "o", call.path);
  put_field(out, Field::destination, "s", call.destination);
  put_field(out, Field::interface, "s", call.interface);
  put_field(out, Field::member, "s", call.member);
  put_field(out, Field::signature, "g", call.signature);
  out.end_array(fields);
  out.begin_struct();  // the body begins on 8
  return out.bytes() + call.body;
}

Result<std::size_t> message_size(std::string_view fixed) {
  if (fixed.size() < kFixedHeader) return broken("is too short");
  if (fixed[0] != kLittleEndian) return broken("is not little endian");
  if (static_cast<std::uint8_t>(fixed[3]) != kProtocolVersion) return broken("is of another protocol version");
  const std::size_t body = number_at(fixed, 4);
  const std::size_t fields = number_at(fixed, 12);
  if (fields > kMaxHeader || body > kMaxMessage) return broken("is too long");
  const std::size_t size = kFixedHeader + padded(fields) + body;
  if (size > kMaxMessage) return broken("is too long");
  return size;
}

Result<Message> decode(std::string_view bytes) {
  TRY_ASSIGN(const std::size_t size, message_size(bytes));
  if (bytes.size() != size) return broken("is not as long as it says");
  Message out;
  const auto type = static_cast<std::uint8_t>(bytes[1]);
  if (type < 1 || type > 4) return broken("is of a type that is not known");
  out.type = static_cast<Type>(type);
  out.serial = number_at(bytes, 8);
  const std::size_t fields_end = kFixedHeader + number_at(bytes, 12);
  Reader in(bytes.substr(0, fields_end));
  TRY(in.align(1));
  TRY(in.skip("t"));  // the fixed part is sixteen bytes
  TRY(in.skip("t"));
  while (!in.at_end()) TRY(read_field(in, out));
  out.body = bytes.substr(kFixedHeader + padded(fields_end - kFixedHeader));
  return out;
}

}  // namespace slipway::cgroups::dbus
