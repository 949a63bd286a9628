// Protocol buffers' wire format, as far as criu's RPC takes it (protobuf.dev, "Encoding"): varints and length-delimited fields.
//
// Not the library: a request of thirty fields and an answer of six do not pay for half a megabyte in a static program (ADR 21).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::runtime::criu {

class Writer {
 public:
  void number(unsigned field, std::int64_t value);     // int32, bool, enum
  void bytes(unsigned field, std::string_view value);  // string, message
  const std::string& text() const { return out_; }

 private:
  void varint(std::uint64_t value);
  std::string out_;
};

// One field as it stands in a message. Which of the two values counts, its type in the schema says.
struct Field {
  unsigned number = 0;
  std::uint64_t value = 0;
  std::string_view bytes;  // points into the message
};

// data_loss where the message is cut short or its form unknown. Bounded by the message.
Result<std::vector<Field>> read_fields(std::string_view message);

}  // namespace slipway::runtime::criu
