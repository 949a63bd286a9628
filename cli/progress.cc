// Progress bars.
#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>

namespace slipway::cli {
namespace {

// Digests by their first characters, references whole.
std::string name_of(const std::string& what) {
  return what.starts_with("sha256:") ? short_id(what) : printable(what);
}

}  // namespace

std::string format_progress(const std::string& stage, const std::string& what, std::uint64_t bytes, std::uint64_t total, unsigned width) {
  const std::string left = fmt::format("{:<9} {:<13}", printable(stage), name_of(what));
  if (stage == "commit") return left.substr(0, width);  // its numbers count layers
  if (total == 0) return (bytes == 0 ? left : fmt::format("{}  {}", left, human_size(bytes))).substr(0, width);
  const std::string right = fmt::format("{:>8} / {}", human_size(bytes), human_size(total));
  constexpr unsigned kFrame = 6;  // blanks and brackets
  if (left.size() + right.size() + kFrame + 4 > width) return fmt::format("{}  {}", left, right).substr(0, width);
  const std::size_t cells = std::min<std::size_t>(40, width - left.size() - right.size() - kFrame);
  const auto full =
      static_cast<std::size_t>(static_cast<double>(std::min(bytes, total)) / static_cast<double>(total) * static_cast<double>(cells));
  std::string bar(full, '=');
  if (full < cells) bar += '>';
  bar.resize(cells, ' ');
  return fmt::format("{}  [{}]  {}", left, bar, right);
}

ProgressView::Row& ProgressView::row_of(const std::string& what) {
  for (auto& row : rows_)
    if (row.what == what) return row;
  rows_.push_back({"", what, 0, 0});
  return rows_.back();
}

void ProgressView::update(const admin::Progress& progress) {
  if (progress.stage() == "done") {
    done_.push_back(progress);
    return;
  }
  if (style_.json) return;
  Row& row = row_of(progress.what());
  const bool new_stage = row.stage != progress.stage();
  row = {progress.stage(), progress.what(), progress.bytes_done(), progress.bytes_total()};
  if (style_.terminal) {
    redraw();
  } else if (new_stage) {
    const std::string size = row.total == 0 || row.stage == "commit" ? "" : " (" + human_size(row.total) + ")";
    (void)print_to(STDERR_FILENO, fmt::format("{} {}{}\n", printable(row.stage), name_of(row.what), size));
  }
}

void ProgressView::redraw() {
  std::string out;
  if (drawn_ > 0) out += fmt::format("\033[{}A", drawn_);
  for (const auto& row : rows_) out += "\r\033[2K" + format_progress(row.stage, row.what, row.bytes, row.total, style_.width - 1) + "\n";
  drawn_ = rows_.size();
  (void)print_to(STDERR_FILENO, out);
}

}  // namespace slipway::cli
