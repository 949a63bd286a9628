// A pull's or load's progress on standard error: bars on a terminal, a line for each step elsewhere, nothing with JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"
#include "slipway/admin.pb.h"

namespace slipway::cli {

class ProgressView {
 public:
  explicit ProgressView(const Style& style) : style_(style) {}

  void update(const admin::Progress& progress);
  // The images that are there now.
  const std::vector<admin::Progress>& done() const { return done_; }

 private:
  struct Row {
    std::string stage, what;
    std::uint64_t bytes = 0, total = 0;
  };
  Row& row_of(const std::string& what);
  void redraw();

  Style style_;
  std::vector<Row> rows_;
  std::size_t drawn_ = 0;  // lines on the screen
  std::vector<admin::Progress> done_;
};

// "download 2c1f…  [=====>    ]  12.3 MB / 30.1 MB", at most `width` columns.
std::string format_progress(const std::string& stage, const std::string& what, std::uint64_t bytes, std::uint64_t total, unsigned width);

}  // namespace slipway::cli
