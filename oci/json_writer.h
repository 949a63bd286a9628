// JSON text straight into a string: what opens and closes, and the commas between.
#pragma once

#include <string>
#include <string_view>

#include "oci/json.h"

namespace slipway::oci::json {

// As append_quoted(), but for readers that refuse what is not UTF-8: such bytes become U+FFFD.
void append_quoted_utf8(std::string& out, std::string_view text);

// One object or array being written; the destructor closes it.
class Writer {
 public:
  Writer(std::string& out, char open, char close) : out_(out), close_(close) { out_ += open; }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { out_ += close_; }

  std::string& next() {
    if (!first_) out_ += ',';
    first_ = false;
    return out_;
  }
  std::string& member(std::string_view name) {
    append_quoted(next(), name);
    out_ += ':';
    return out_;
  }

 private:
  std::string& out_;
  char close_;
  bool first_ = true;
};

}  // namespace slipway::oci::json
