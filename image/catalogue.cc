// Names to records.
#include "image/catalogue.h"

#include <algorithm>

#include "image/reference.h"

namespace slipway::image {
namespace {

void add_unique(std::vector<std::string>& list, const std::string& item) {
  if (!item.empty() && std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

Error absent(const std::string& reference) {
  return fail(Code::not_found, "image '{}' is not here", reference.substr(0, 1024));
}

}  // namespace

void Catalogue::put(engine::ImageRecord record) {
  remove(record.id);
  for (const std::string& name : record.repo_tags) names_[name] = record.id;
  for (const std::string& name : record.repo_digests) names_[name] = record.id;
  std::string id = record.id;
  records_.emplace(std::move(id), std::move(record));
}

void Catalogue::remove(const std::string& id) {
  const auto found = records_.find(id);
  if (found == records_.end()) return;
  std::erase_if(names_, [&](const auto& name) { return name.second == id; });
  records_.erase(found);
}

Result<engine::ImageRecord> Catalogue::find(const std::string& reference) const {
  const std::string digits = reference.starts_with("sha256:") ? reference.substr(7) : reference;
  if (digits.size() >= 12 && digits.size() <= 64 && is_hex(digits)) {
    const std::string prefix = "sha256:" + digits;
    const auto found = records_.lower_bound(prefix);
    if (found != records_.end() && found->first.starts_with(prefix)) {
      const auto next = std::next(found);
      if (next != records_.end() && next->first.starts_with(prefix))
        return fail(Code::invalid_argument, "image '{}': more than one begins so", reference);
      return found->second;
    }
  }
  const auto parsed = parse_reference(reference);
  if (!parsed.ok()) return absent(reference);
  const Reference& name = parsed.value();
  const auto found = names_.find(name.digest.empty() ? name.repo_tag() : name.repo_digest(name.digest));
  if (found == names_.end()) return absent(reference);
  return records_.at(found->second);
}

std::vector<engine::ImageRecord> Catalogue::merge(const PulledImage& image, UnixNanos now) const {
  engine::ImageRecord record;
  if (const auto known = records_.find(image.id); known != records_.end()) record = known->second;
  record.id = image.id;
  record.size = image.size;
  record.layers = image.layers;
  record.config = image.config;
  record.pulled_at = now;
  std::map<std::string, engine::ImageRecord> losers;
  for (const std::string& text : image.names) {
    const auto reference = parse_reference(text);
    if (!reference.ok()) continue;  // the protocol has checked them
    const std::string tag = reference.value().repo_tag();
    add_unique(record.repo_tags, tag);
    if (!image.manifest_digest.empty()) add_unique(record.repo_digests, reference.value().repo_digest(image.manifest_digest));
    const auto owner = names_.find(tag);
    if (tag.empty() || owner == names_.end() || owner->second == image.id) continue;
    const auto loser = losers.try_emplace(owner->second, records_.at(owner->second)).first;
    std::erase(loser->second.repo_tags, tag);
  }
  std::vector<engine::ImageRecord> out;
  out.reserve(losers.size() + 1);
  for (auto& [id, loser] : losers) out.push_back(std::move(loser));
  out.push_back(std::move(record));
  return out;
}

std::set<std::string> Catalogue::referenced() const {
  std::set<std::string> out;
  for (const auto& [id, record] : records_) out.insert(record.layers.begin(), record.layers.end());
  return out;
}

}  // namespace slipway::image
