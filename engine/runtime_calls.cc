// slipwayd's own calls of another runtime's command line: what it can, and `delete`.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "engine/runtime_handlers.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::engine {
namespace {

constexpr int kCallTimeMs = 10'000;
constexpr std::size_t kAnswerLimit = 1U << 20;
constexpr std::size_t kWordsLimit = 1024;

Result<sys::Ran> call(std::vector<std::string> argv) {
  sys::SpawnRequest request;
  request.program = argv.front();
  request.argv = std::move(argv);
  request.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  request.own_group = true;
  return sys::run_to_end(std::move(request), kCallTimeMs, kAnswerLimit);
}

bool has(const nlohmann::json& list, std::string_view word) {
  return list.is_array() && std::any_of(list.begin(), list.end(), [&](const nlohmann::json& item) { return item == word; });
}

// What a killed monitor left mounted at the bundle's root: nobody needs it, the container has its own.
Result<void> unmount_root(const std::string& bundle) {
  const std::string path = bundle + "/rootfs";
  // EINVAL: nothing is mounted there; ENOENT: there is nothing at all.
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
    return fail_errno(errno, "unmount '{}'", path);
  return {};
}

// Its own word for what it may hold outside the container's cgroup (a virtual machine, hooks). What it cannot do now is done without it.
void ask_to_delete(const ContainerRecord& record) {
  const auto answer = call({record.runtime.binary, "--root", record.runtime.root, "delete", "--force", record.id});
  if (!answer.ok())
    log::warn("container {}: delete it in its runtime: {}", record.id, answer.error().message);
  else if (answer.value().status.code != 0)
    log::warn("container {}: '{} delete': {}", record.id, record.runtime.binary, answer.value().said.substr(0, kWordsLimit));
}

}  // namespace

void read_features(std::string_view json, RuntimeHandler& handler) {
  const auto features = nlohmann::json::parse(json, nullptr, false);
  if (!features.is_object()) return;
  handler.recursive_read_only_mounts = has(features.value("mountOptions", nlohmann::json()), "rro");
}

Result<void> probe_runtime(RuntimeHandler& handler) {
  if (handler.own()) return {};
  auto features = call({handler.binary, "features"});
  if (!features.ok()) return std::move(features).error().within("runtimes.{}", handler.name);
  if (features.value().status.code == 0) read_features(features.value().said, handler);
  const auto help = call({handler.binary, "exec", "--help"});
  handler.exec_cgroup = help.ok() && help.value().said.find("--cgroup") != std::string::npos;
  return {};
}

Result<void> delete_in_runtime(const ContainerRecord& record, const std::string& bundle) {
  if (record.runtime.binary.empty()) return {};
  TRY(unmount_root(bundle));
  const auto root = sys::open_path(record.runtime.root, O_RDONLY | O_DIRECTORY);
  if (!root.ok()) return root.error().code == Code::not_found ? Result<void>{} : Result<void>(root.error());
  if (::faccessat(root.value().get(), record.id.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) return {};
  ask_to_delete(record);
  return sys::remove_tree(root.value(), record.id);
}

}  // namespace slipway::engine
