// ImageRecord and file system usage → CRI.
#include "base/text.h"
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

// "1000", "1000:1000", "web:web". A number no uid can be stays a name: the kubelet then refuses runAsNonRoot.
void put_user(const std::string& text, v1::Image* out) {
  const std::string user = text.substr(0, text.find(':'));
  if (user.empty()) return;
  const auto uid = to_number<std::int64_t>(user);
  if (uid && *uid >= 0 && *uid < 4294967295) {
    out->mutable_uid()->set_value(*uid);
  } else {
    out->set_username(user);
  }
}

}  // namespace

v1::Image to_proto(const engine::ImageRecord& image) {
  v1::Image out;
  out.set_id(image.id);
  for (const auto& tag : image.repo_tags) out.add_repo_tags(tag);
  for (const auto& digest : image.repo_digests) out.add_repo_digests(digest);
  out.set_size(image.size);
  put_user(image.config.user, &out);
  out.mutable_spec()->set_image(image.id);
  out.set_pinned(image.pinned);
  return out;
}

v1::FilesystemUsage to_proto(const engine::FsUsage& usage) {
  v1::FilesystemUsage out;
  out.set_timestamp(usage.timestamp);
  out.mutable_fs_id()->set_mountpoint(usage.mountpoint);
  out.mutable_used_bytes()->set_value(usage.used_bytes);
  out.mutable_inodes_used()->set_value(usage.inodes_used);
  return out;
}

}  // namespace slipway::cri
