// Markers and directories of the image store.
#include "image/layout.h"

#include <sys/stat.h>

#include <charconv>

#include "image/reference.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr std::string_view kMarkerHead = "slipway layer 1\n";

bool take_number(std::string_view& text, std::string_view key, std::uint64_t& out) {
  if (!text.starts_with(key)) return false;
  text.remove_prefix(key.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end == text.data() + text.size() || *end != '\n') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

bool is_chain(std::string_view name) {
  return name.size() == 64 && is_hex(name);
}

std::string marker_text(const LayerInfo& info) {
  return fmt::format("{}bytes {}\ninodes {}\n", kMarkerHead, info.bytes, info.inodes);
}

Result<LayerInfo> parse_marker(std::string_view text) {
  LayerInfo info;
  std::string_view rest = text;
  if (!rest.starts_with(kMarkerHead)) return fail(Code::data_loss, "layer marker: unknown form");
  rest.remove_prefix(kMarkerHead.size());
  if (!take_number(rest, "bytes ", info.bytes) || !take_number(rest, "inodes ", info.inodes) || !rest.empty())
    return fail(Code::data_loss, "layer marker: damaged");
  return info;
}

Result<LayerInfo> read_marker(FdRef layers, const std::string& chain) {
  if (!is_chain(chain)) return fail(Code::invalid_argument, "'{}' is no layer's chain id", chain);
  TRY_ASSIGN(const std::string text, sys::read_file_at(layers, chain + "/" + kMarker, 4096));
  return parse_marker(text).context("layer {}", chain);
}

Result<UniqueFd> make_root(const std::string& root) {
  TRY(sys::make_directories(root, 0700));
  TRY_ASSIGN(UniqueFd dir, sys::open_path(root, O_RDONLY | O_DIRECTORY));
  for (const char* name : {kLayersDirectory, kContainersDirectory, kEmptyDirectory})
    if (::mkdirat(dir.get(), name, 0700) != 0 && errno != EEXIST) return fail_errno(errno, "make {}/{}", root, name);
  return dir;
}

}  // namespace slipway::image
