// engine::Network by CNI: from a pod's request to calls of plugins, and what is kept in between.
#include "network/cni.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/ids.h"
#include "base/time.h"
#include "network/chain.h"
#include "network/cni_result.h"
#include "network/config_source.h"
#include "network/pod_args.h"
#include "sys/file.h"

namespace slipway::network {
namespace {

constexpr int kLockTries = 25;
constexpr int kLockPause = 20;  // milliseconds

// A name may outlive its namespace (unmounted, or after a reboot). Plugins skip what is inside when they are given none.
bool is_namespace(const std::string& path) {
  struct statfs fs {};
  return ::statfs(path.c_str(), &fs) == 0 && static_cast<unsigned long>(fs.f_type) == NSFS_MAGIC;
}

class CniNetwork final : public engine::Network {
 public:
  CniNetwork(CniOptions options, UniqueFd intents)
      : options_(std::move(options)), source_(options_.conf_dir), intents_(std::move(intents)) {}

  Result<engine::NetworkResult> attach(const engine::NetworkRequest& request) override;
  Result<void> detach(const engine::NetworkRequest& request, const std::string& cached) override;
  engine::Condition ready() const override;

 private:
  struct Kept {  // what is known of a pod's ADD
    NetworkConfig network;
    Json result;  // null: ADD did not finish
  };

  Result<std::shared_ptr<const NetworkConfig>> usable() const;
  Result<ChainCall> make_call(const engine::NetworkRequest& request) const;
  Result<void> keep_intent(const std::string& pod_id, const NetworkConfig& network) const;
  Result<void> drop_intent(const std::string& pod_id) const;
  Result<UniqueFd> lock_intent(const std::string& pod_id) const;
  Result<std::optional<Kept>> recall(const std::string& pod_id, const std::string& cached) const;
  Result<engine::NetworkResult> add(const NetworkConfig& network, const ChainCall& call, std::size_t& begun) const;

  const CniOptions options_;
  mutable ConfigSource source_;
  const UniqueFd intents_;
};

Result<std::shared_ptr<const NetworkConfig>> CniNetwork::usable() const {
  Result<std::shared_ptr<const NetworkConfig>> network = source_.current();
  if (!network.ok()) return fail(Code::failed_precondition, "CNI configuration: {}", network.error().message);
  for (const PluginConfig& plugin : network.value()->plugins) {
    const Result<std::string> found = find_plugin(plugin.type, options_.bin_dirs);
    if (!found.ok()) return fail(Code::failed_precondition, "network '{}': {}", network.value()->name, found.error().message);
  }
  return network;
}

Result<ChainCall> CniNetwork::make_call(const engine::NetworkRequest& request) const {
  ChainCall call;
  TRY(check_name("pod id", request.pod_id));
  call.container_id = request.pod_id;
  call.netns = request.netns;
  TRY_ASSIGN(call.args, make_args(request));
  TRY_ASSIGN(call.capabilities, make_capabilities(request));
  call.bin_dirs = options_.bin_dirs;
  call.deadline = std::chrono::steady_clock::now() + options_.timeout;
  return call;
}

Result<void> CniNetwork::keep_intent(const std::string& pod_id, const NetworkConfig& network) const {
  if (!intents_.valid()) return {};
  return sys::replace_file(intents_, pod_id, to_text({{"config", network.source}}), 0600);
}

Result<void> CniNetwork::drop_intent(const std::string& pod_id) const {
  if (!intents_.valid()) return {};
  if (::unlinkat(intents_.get(), pod_id.c_str(), 0) != 0 && errno != ENOENT)
    return fail_errno(errno, "remove the network's intent of pod {}", pod_id);
  return {};
}

// A plugin that a slipwayd started which was killed goes on alone, and would take an address after our DEL. Every plugin holds the locked
// intent, so the lock is free when the last one has ended; one that takes longer than it was ever allowed to is not waited for.
Result<UniqueFd> CniNetwork::lock_intent(const std::string& pod_id) const {
  if (!intents_.valid()) return UniqueFd();
  auto file = sys::open_at(intents_, pod_id, O_RDONLY | O_NOFOLLOW);
  if (!file.ok() && file.error().code == Code::not_found) return UniqueFd();
  if (!file.ok()) return file;
  for (int tries = 0; tries < kLockTries; ++tries) {
    if (::flock(file.value().get(), LOCK_EX | LOCK_NB) == 0) return file;
    if (errno != EWOULDBLOCK) return fail_errno(errno, "lock the network's intent of pod {}", pod_id);
    (void)::poll(nullptr, 0, kLockPause);  // plugins that were killed a moment ago
  }
  struct stat info {};
  if (::fstat(file.value().get(), &info) != 0) return fail_errno(errno, "stat the network's intent of pod {}", pod_id);
  const auto age = std::chrono::nanoseconds(now_realtime()) - std::chrono::seconds(info.st_mtim.tv_sec);
  if (age > 2 * options_.timeout || age < std::chrono::nanoseconds(0)) return UniqueFd();
  return fail(Code::unavailable, "a CNI plugin of pod {} still runs", pod_id);
}

// From the caller's record, else from the intent of an ADD that was cut short. nullopt: no ADD was begun.
Result<std::optional<CniNetwork::Kept>> CniNetwork::recall(const std::string& pod_id, const std::string& cached) const {
  std::string text = cached;
  if (text.empty() && intents_.valid()) {
    Result<std::string> intent = sys::read_file_at(intents_, pod_id, 2 * kMaxJsonSize);
    if (!intent.ok() && intent.error().code == Code::not_found) return std::optional<Kept>{};
    TRY_ASSIGN(text, std::move(intent));
  }
  if (text.empty()) {
    Result<std::shared_ptr<const NetworkConfig>> now = source_.current();
    if (!now.ok()) return fail(Code::failed_precondition, "nothing is recorded of its network, and {}", now.error().message);
    return std::optional<Kept>{{*now.value(), Json()}};
  }
  Json record = Json::parse(text, nullptr, false);
  if (!record.is_object() || !record.contains("config")) return fail(Code::data_loss, "the record of its network is damaged");
  TRY_ASSIGN(NetworkConfig network, from_json(std::move(record["config"]), "recorded configuration"));
  return std::optional<Kept>{{std::move(network), record.value("result", Json())}};
}

Result<engine::NetworkResult> CniNetwork::add(const NetworkConfig& network, const ChainCall& call, std::size_t& begun) const {
  TRY_ASSIGN(const Json result, add_chain(network, call, begun));
  engine::NetworkResult out;
  TRY_ASSIGN(out.ips, pod_addresses(result, kInterface).context("network '{}'", network.name));
  if (out.ips.empty()) return fail(Code::failed_precondition, "network '{}' gave {} no address", network.name, kInterface);
  out.cached = to_text({{"config", network.source}, {"result", result}});
  return out;
}

Result<engine::NetworkResult> CniNetwork::attach(const engine::NetworkRequest& request) {
  TRY_ASSIGN(const std::shared_ptr<const NetworkConfig> network, usable());
  TRY_ASSIGN(ChainCall call, make_call(request));
  TRY(keep_intent(request.pod_id, *network));
  TRY_ASSIGN(const UniqueFd lock, lock_intent(request.pod_id));
  call.keep = lock.get();
  std::size_t begun = 0;
  Result<engine::NetworkResult> done = add(*network, call, begun);
  if (done.ok()) return done;
  // A fresh deadline: the time-out may be why we are here. If this DEL fails too, the intent stays for the caller's detach.
  call.deadline = std::chrono::steady_clock::now() + options_.timeout;
  if (del_chain(*network, call, Json(), begun).ok()) (void)drop_intent(request.pod_id);
  return done;
}

Result<void> CniNetwork::detach(const engine::NetworkRequest& request, const std::string& cached) {
  Result<ChainCall> call = make_call(request);
  if (!call.ok()) return {};  // attach refused the same request before any plugin was called
  TRY_ASSIGN(const std::optional<Kept> kept, recall(request.pod_id, cached));
  if (!kept.has_value()) return {};
  TRY_ASSIGN(const UniqueFd lock, lock_intent(request.pod_id));
  call.value().keep = lock.get();
  if (!is_namespace(call.value().netns)) call.value().netns.clear();
  TRY(del_chain(kept->network, call.value(), kept->result, kept->network.plugins.size()));
  return drop_intent(request.pod_id);
}

engine::Condition CniNetwork::ready() const {
  const Result<std::shared_ptr<const NetworkConfig>> network = usable();
  if (network.ok()) return {true, "", ""};
  return {false, "NetworkPluginNotReady", network.error().message};
}

}  // namespace

Result<std::unique_ptr<engine::Network>> open_cni(CniOptions options) {
  if (options.timeout <= std::chrono::milliseconds(0)) return fail(Code::invalid_argument, "CNI: the time-out must be positive");
  if (options.bin_dirs.empty()) return fail(Code::invalid_argument, "CNI: no plugin directory");
  for (const std::string& directory : options.bin_dirs)
    if (!directory.starts_with('/') || directory.find(':') != std::string::npos)
      return fail(Code::invalid_argument, "CNI: plugin directory '{}' is not an absolute path without ':'", directory);
  UniqueFd intents;
  if (!options.intent_dir.empty()) {
    TRY(sys::make_directories(options.intent_dir, 0700));
    TRY_ASSIGN(intents, sys::open_path(options.intent_dir, O_RDONLY | O_DIRECTORY));
    TRY(sys::remove_temporaries(intents));  // of a slipwayd that was killed while it replaced one
  }
  return std::unique_ptr<engine::Network>(std::make_unique<CniNetwork>(std::move(options), std::move(intents)));
}

}  // namespace slipway::network
