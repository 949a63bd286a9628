// A node of a JSON document together with its path, read into typed fields with errors that name the path.
//
// Internal to the room. Values live on the stack of the reader: each points to its parent's.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "oci/json.h"

namespace slipway::oci::json {

class Value {
 public:
  Value(const Document& document, const Node& node, std::string_view name) : document_(document), node_(node), name_(name) {}
  Value(const Value& parent, const Node& node, std::string_view name, long index)
      : document_(parent.document_), node_(node), parent_(&parent), name_(name), index_(index) {}
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  Kind kind() const { return node_.kind; }
  const Node& node() const { return node_; }
  std::size_t size() const { return node_.count; }
  std::string path() const;  // "process.rlimits[2].type"

  template <class... Args>
  Error error(Code code, fmt::format_string<Args...> text, Args&&... args) const {
    return describe(code, fmt::format(text, std::forward<Args>(args)...));
  }
  Error wrong_kind(std::string_view wanted) const;
  Error not_known() const;  // "…: 'x' is not known"

  // f(name, value) → Result<void> for each member that is not null.
  template <class F>
  Result<void> members(F&& f) const {
    if (kind() != Kind::object) return wrong_kind("an object");
    for (const Node* n = document_.first_child(node_); n != nullptr; n = document_.next(*n)) {
      if (n->kind != Kind::null) TRY(f(n->key, Value(*this, *n, n->key, -1)));
    }
    return {};
  }

  // f(value) → Result<void> for each element.
  template <class F>
  Result<void> items(F&& f) const {
    if (kind() != Kind::array) return wrong_kind("an array");
    long index = 0;
    for (const Node* n = document_.first_child(node_); n != nullptr; n = document_.next(*n)) TRY(f(Value(*this, *n, {}, index++)));
    return {};
  }

 private:
  Error describe(Code code, std::string reason) const;

  const Document& document_;
  const Node& node_;
  const Value* parent_ = nullptr;
  std::string_view name_;
  long index_ = -1;
};

Result<void> read(const Value& value, bool& out);
Result<void> read(const Value& value, std::string& out);
Result<void> read(const Value& value, std::map<std::string, std::string>& out);

// `low` and `high` as the field's type has them.
Result<std::int64_t> read_integer(const Value& value, std::int64_t low, std::int64_t high);
Result<std::uint64_t> read_unsigned(const Value& value, std::uint64_t high);

template <std::integral T>
requires(!std::same_as<T, bool>) Result<void> read(const Value& value, T& out) {
  if constexpr (std::is_signed_v<T>) {
    TRY_ASSIGN(const std::int64_t n, read_integer(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    out = static_cast<T>(n);
  } else {
    TRY_ASSIGN(const std::uint64_t n, read_unsigned(value, std::numeric_limits<T>::max()));
    out = static_cast<T>(n);
  }
  return {};
}

template <class T>
Result<void> read(const Value& value, std::optional<T>& out) {
  return read(value, out.emplace());
}

template <class T>
Result<void> read(const Value& value, std::vector<T>& out) {
  out.clear();
  out.reserve(value.size());
  return value.items([&](const Value& item) { return read(item, out.emplace_back()); });
}

// For fields of the specification that slipway cannot do: ok where the value asks for nothing (empty, zero, false, null).
Result<void> refuse_unless_empty(const Value& value);
bool asks_for_nothing(const Value& value);
Error refuse(const Value& value);  // unimplemented, whatever is in it

}  // namespace slipway::oci::json
