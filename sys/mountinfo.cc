// Lines of mountinfo: fields by spaces, optional ones up to a "-", three more.
#include "sys/mountinfo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.h"
#include "sys/file.h"

namespace slipway::sys {
namespace {

constexpr std::size_t kLimit = 64U << 20;  // 100,000 mounts (fs.mount-max), long paths

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) && is_octal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view take_word(std::string_view& line) {
  return cut(line, ' ');
}

bool parse_line(std::string_view line, MountLine& out) {
  const auto id = to_number<std::uint64_t>(take_word(line));
  const auto parent = to_number<std::uint64_t>(take_word(line));
  std::string_view device = take_word(line);
  const auto major = to_number<unsigned>(cut(device, ':'));
  const auto minor = to_number<unsigned>(device);
  if (!id || !parent || !major || !minor) return false;
  out.id = *id;
  out.parent = *parent;
  out.major = *major;
  out.minor = *minor;
  out.root = unescape(take_word(line));
  out.point = unescape(take_word(line));
  (void)take_word(line);  // the mount's options
  while (!line.empty()) {
    const std::string_view word = take_word(line);
    out.shared = out.shared || word.starts_with("shared:");
    out.slave = out.slave || word.starts_with("master:");
    if (word != "-") continue;
    out.type = unescape(take_word(line));
    return !out.type.empty() && !out.point.empty();
  }
  return false;
}

}  // namespace

Result<std::vector<MountLine>> parse_mountinfo(std::string_view text) {
  std::vector<MountLine> out;
  while (!text.empty()) {
    const std::string_view line = cut(text, '\n');
    if (!parse_line(line, out.emplace_back())) return fail(Code::internal, "mountinfo: '{}' has an unknown form", line);
  }
  return out;
}

Result<std::vector<MountLine>> read_mountinfo(const std::string& path) {
  TRY_ASSIGN(const std::string text, read_file(path, kLimit));
  return parse_mountinfo(text).context("{}", path);
}

Result<std::uint64_t> mount_id(FdRef object) {
  struct statx stx = {};
  if (::statx(object.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) != 0) return fail_errno(errno, "statx for the mount's id");
  if ((stx.stx_mask & STATX_MNT_ID) == 0) return fail(Code::failed_precondition, "statx tells no mount's id: Linux 5.8 or later is needed");
  return static_cast<std::uint64_t>(stx.stx_mnt_id);
}

}  // namespace slipway::sys
