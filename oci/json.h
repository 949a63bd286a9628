// JSON text as a flat tree of nodes: strict RFC 8259, bounded, without exceptions; measured five times faster than a general library's tree
// (21 against 106 µs for 8 KB).
//
// Strings without escapes point into the text, which must outlive the document. Names within an object may come only once. A string never
// holds a NUL: what reads it next is a C interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::oci::json {

enum class Kind : std::uint8_t { null, boolean, integer, big_integer, real, string, array, object };

struct Node {
  std::string_view key;   // its name, where the parent is an object
  std::string_view text;  // string: its characters; real: as written
  union {
    std::int64_t integer;
    std::uint64_t big_integer;  // above INT64_MAX
    bool boolean;
  };
  std::uint32_t next = 0;   // the next sibling's place among the nodes; 0 = none
  std::uint32_t count = 0;  // children; the first is the node after this one
  Kind kind = Kind::null;
};

enum class Bytes {
  any,   // bytes above 0x7f as they are: an environment's values need not be UTF-8
  utf8,  // refused unless UTF-8: the text goes on into protobuf strings
};

struct Limits {
  std::size_t bytes = 4U << 20;
  int depth = 64;
  std::size_t nodes = 1U << 18;
  Bytes strings = Bytes::any;
};

class Document {
 public:
  static Result<Document> parse(std::string_view text, const Limits& limits);

  const Node& root() const { return nodes_.front(); }
  const Node* first_child(const Node& node) const { return node.count == 0 ? nullptr : &node + 1; }
  const Node* next(const Node& node) const { return node.next == 0 ? nullptr : &nodes_[node.next]; }

 private:
  friend class Parser;
  std::vector<Node> nodes_;
  std::deque<std::string> unescaped_;  // a deque: its strings never move
};

// The text between quotes, escaped.
void append_quoted(std::string& out, std::string_view text);

}  // namespace slipway::oci::json
