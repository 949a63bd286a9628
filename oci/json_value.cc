// Typed reading of JSON values, with the field's path in every error.
#include "oci/json_value.h"

#include <limits>

namespace slipway::oci::json {
namespace {

std::string_view to_text(Kind kind) {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "a boolean";
    case Kind::integer:
    case Kind::big_integer:
    case Kind::real: return "a number";
    case Kind::string: return "a string";
    case Kind::array: return "an array";
    case Kind::object: return "an object";
  }
  return "nothing";
}

// Long values are cut: an error is a sentence.
std::string shown(const Node& node) {
  switch (node.kind) {
    case Kind::integer: return fmt::format("{}", node.integer);
    case Kind::big_integer: return fmt::format("{}", node.big_integer);
    case Kind::boolean: return node.boolean ? "true" : "false";
    case Kind::string:
    case Kind::real: return std::string(node.text.substr(0, 128));
    default: return std::string(to_text(node.kind));
  }
}

}  // namespace

std::string Value::path() const {
  std::string out = parent_ != nullptr ? parent_->path() : std::string();
  if (index_ >= 0) return out + fmt::format("[{}]", index_);
  if (!out.empty() && !name_.empty()) out += '.';
  out += name_;
  return out;
}

Error Value::describe(Code code, std::string reason) const {
  const std::string where = path();
  return Error{code, 0, where.empty() ? std::move(reason) : where + ": " + reason};
}

Error Value::wrong_kind(std::string_view wanted) const {
  return error(Code::invalid_argument, "{} expected, not {}", wanted, to_text(kind()));
}

Error Value::not_known() const {
  return error(Code::invalid_argument, "'{}' is not known", shown(node_));
}

Result<void> read(const Value& value, bool& out) {
  if (value.kind() != Kind::boolean) return value.wrong_kind("a boolean");
  out = value.node().boolean;
  return {};
}

Result<void> read(const Value& value, std::string& out) {
  if (value.kind() != Kind::string) return value.wrong_kind("a string");
  out = value.node().text;
  return {};
}

Result<void> read(const Value& value, std::map<std::string, std::string>& out) {
  out.clear();
  return value.members([&](std::string_view key, const Value& member) { return read(member, out[std::string(key)]); });
}

Result<std::int64_t> read_integer(const Value& value, std::int64_t low, std::int64_t high) {
  const Kind kind = value.kind();
  if (kind == Kind::integer && value.node().integer >= low && value.node().integer <= high) return value.node().integer;
  if (kind == Kind::integer || kind == Kind::big_integer || kind == Kind::real)
    return value.error(Code::invalid_argument, "{} is not an integer from {} to {}", shown(value.node()), low, high);
  return value.wrong_kind("a number");
}

Result<std::uint64_t> read_unsigned(const Value& value, std::uint64_t high) {
  const Kind kind = value.kind();
  if (kind == Kind::integer && value.node().integer >= 0 && static_cast<std::uint64_t>(value.node().integer) <= high)
    return static_cast<std::uint64_t>(value.node().integer);
  if (kind == Kind::big_integer && value.node().big_integer <= high) return value.node().big_integer;
  if (kind == Kind::integer || kind == Kind::big_integer || kind == Kind::real)
    return value.error(Code::invalid_argument, "{} is not an integer from 0 to {}", shown(value.node()), high);
  return value.wrong_kind("a number");
}

bool asks_for_nothing(const Value& value) {
  const Node& node = value.node();
  switch (node.kind) {
    case Kind::null: return true;
    case Kind::boolean: return !node.boolean;
    case Kind::integer: return node.integer == 0;
    case Kind::string: return node.text.empty();
    case Kind::array: return node.count == 0;
    case Kind::object: {
      bool nothing = true;
      (void)value.members([&](std::string_view, const Value& member) -> Result<void> {
        nothing = nothing && asks_for_nothing(member);
        return {};
      });
      return nothing;
    }
    default: return false;
  }
}

Error refuse(const Value& value) {
  return value.error(Code::unimplemented, "slipway cannot do this");
}

Result<void> refuse_unless_empty(const Value& value) {
  if (asks_for_nothing(value)) return {};
  return refuse(value);
}

}  // namespace slipway::oci::json
