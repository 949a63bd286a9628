// The readers of config.json's larger parts, shared by the room's parse files. Internal to the room.
#pragma once

#include "oci/json_value.h"
#include "oci/spec.h"

namespace slipway::oci::json {

Result<void> read(const Value& value, Process& out);
Result<void> read(const Value& value, Resources& out);
Result<void> read(const Value& value, Seccomp& out);
Result<void> read(const Value& value, Linux& out);
Result<void> read(const Value& value, Hooks& out);
Result<void> read(const Value& value, IdMapping& out);

// One parse of a whole text: limits, then `T`'s reader; `name` is the path of the root.
template <class T>
Result<T> parse_as(std::string_view text, std::string_view name) {
  TRY_ASSIGN(const Document document, Document::parse(text, {}));
  T out;
  TRY(read(Value(document, document.root(), name), out));
  return out;
}

}  // namespace slipway::oci::json
