// Intents as files.
#include "network/intents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/ids.h"
#include "base/time.h"
#include "network/wait_lock.h"
#include "sys/file.h"

namespace slipway::network {
namespace {

constexpr int kLockTries = 25;                 // plugins that were killed a moment ago still hold it
constexpr std::size_t kMaxIntent = 16U << 20;  // a configuration, and the annotations that a plugin asks for
constexpr std::size_t kMaxNames = 1'000'000;

}  // namespace

Result<Intents> Intents::open(const std::string& directory) {
  if (directory.empty()) return Intents(UniqueFd());
  TRY(sys::make_directories(directory, 0700));
  TRY_ASSIGN(UniqueFd fd, sys::open_path(directory, O_RDONLY | O_DIRECTORY));
  TRY(sys::remove_temporaries(fd));  // of older slipwayds, which replaced intents. REMOVE-WHEN: none of these is left
  return Intents(std::move(fd));
}

// Written in place: what a crash leaves of it, an ADD was never begun for. So one commit of the file system's journal is paid, not the two
// of a rename: the directory is on the disk with the file where they share the journal, and its own sync finds nothing left to do.
Result<void> Intents::keep(const std::string& pod_id, const Intent& intent) const {
  if (!kept()) return {};
  TRY(fault::point("keep the network's intent"));
  const Json record = {
      {"config", intent.network.source}, {"netns", intent.netns}, {"args", intent.args}, {"capabilities", intent.capabilities}};
  TRY_ASSIGN(const UniqueFd file, sys::open_at(directory_, pod_id, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  TRY(sys::write_all(file, to_text(record)).context("keep the network's intent of pod {}", pod_id));
  if (::fdatasync(file.get()) != 0 || ::fsync(directory_.get()) != 0)
    return fail_errno(errno, "sync the network's intent of pod {}", pod_id);
  fault::moment("the network's intent is on the disk");
  return {};
}

Result<void> Intents::drop(const std::string& pod_id) const {
  if (!kept()) return {};
  if (::unlinkat(directory_.get(), pod_id.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno(errno, "remove the network's intent of pod {}", pod_id);
  return {};
}

Result<std::optional<Intent>> Intents::find(const std::string& pod_id) const {
  if (!kept()) return std::optional<Intent>{};
  Result<std::string> text = sys::read_file_at(directory_, pod_id, kMaxIntent);
  if (!text.ok() && text.error().code == Code::not_found) return std::optional<Intent>{};
  if (!text.ok()) return std::move(text).error();
  Json record = Json::parse(text.value(), nullptr, false);
  if (!record.is_object() || !record.contains("config")) return std::optional<Intent>{};
  Intent intent;
  TRY_ASSIGN(intent.network, from_json(std::move(record["config"]), "recorded configuration"));
  intent.netns = string_member(record, "netns");
  intent.args = string_member(record, "args");
  if (const auto found = record.find("capabilities"); found != record.end() && found->is_object()) intent.capabilities = *found;
  return std::optional<Intent>{std::move(intent)};
}

Result<std::vector<std::string>> Intents::pods() const {
  std::vector<std::string> out;
  if (!kept()) return out;
  TRY_ASSIGN(std::vector<std::string> names, sys::list_directory(directory_, kMaxNames));
  for (std::string& name : names)
    if (check_name("pod id", name).ok()) out.push_back(std::move(name));
  return out;
}

Result<UniqueFd> Intents::lock(const std::string& pod_id, std::chrono::nanoseconds patience) const {
  if (!kept()) return UniqueFd();
  auto file = sys::open_at(directory_, pod_id, O_RDONLY | O_NOFOLLOW);
  if (!file.ok() && file.error().code == Code::not_found) return UniqueFd();
  if (!file.ok()) return file;
  TRY_ASSIGN(const bool locked, wait_lock(file.value(), kLockTries).context("lock the network's intent of pod {}", pod_id));
  if (locked) return file;
  struct stat info {};
  if (::fstat(file.value().get(), &info) != 0) return fail_errno(errno, "stat the network's intent of pod {}", pod_id);
  const auto age = std::chrono::nanoseconds(now_realtime()) - std::chrono::seconds(info.st_mtim.tv_sec);
  if (age > patience || age < std::chrono::nanoseconds(0)) return UniqueFd();
  return fail(Code::unavailable, "a CNI plugin of pod {} still runs", pod_id);
}

}  // namespace slipway::network
