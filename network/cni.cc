// engine::Network by CNI: from a pod's request to calls of plugins, and what is kept in between.
#include "network/cni.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <map>

#include "base/ids.h"
#include "base/log.h"
#include "network/chain.h"
#include "network/cni_result.h"
#include "network/config_source.h"
#include "network/host_local.h"
#include "network/intents.h"
#include "network/pod_args.h"
#include "network/pod_cidr.h"
#include "network/readiness.h"
#include "sys/file.h"

namespace slipway::network {
namespace {

constexpr const char* kRendered = "10-slipway.conflist";

// A name may outlive its namespace (unmounted, or after a reboot). Plugins skip what is inside when they are given none.
bool is_namespace(const std::string& path) {
  struct statfs fs {};
  return ::statfs(path.c_str(), &fs) == 0 && static_cast<unsigned long>(fs.f_type) == NSFS_MAGIC;
}

// A pod's annotations may be many; what no plugin asks for need not be kept.
Json declared(const NetworkConfig& network, const Json& capabilities) {
  Json out = Json::object();
  for (const PluginConfig& plugin : network.plugins) {
    const Json input = plugin_input(plugin.config, network.name, network.version, capabilities, Json());
    if (const auto values = input.find("runtimeConfig"); values != input.end()) out.update(*values);
  }
  return out;
}

class CniNetwork final : public engine::Network {
 public:
  CniNetwork(CniOptions options, Intents intents)
      : options_(std::move(options)), source_(options_.conf_dir), intents_(std::move(intents)) {}

  Result<engine::NetworkResult> attach(const engine::NetworkRequest& request) override;
  Result<void> detach(const engine::NetworkRequest& request, const std::string& cached) override;
  Result<std::vector<std::string>> owed() const override { return intents_.pods(); }
  Result<void> detach_owed(const std::string& pod_id) override;
  Result<void> reclaim() override;
  engine::Condition ready() const override { return readiness_->now(); }
  Result<void> set_pod_cidrs(const std::string& cidrs) override;
  Result<void> watch();

 private:
  struct Kept {  // what is known of a pod's ADD
    NetworkConfig network;
    Json result;  // null: ADD did not finish
  };

  Result<std::shared_ptr<const NetworkConfig>> usable() const;
  Result<ChainCall> make_call(const engine::NetworkRequest& request) const;
  Result<std::optional<Kept>> recall(const std::string& pod_id, const std::string& cached) const;
  Result<engine::NetworkResult> add(const NetworkConfig& network, const ChainCall& call, std::size_t& begun) const;
  Result<void> give_back(ChainCall call, const Kept& kept) const;

  const CniOptions options_;
  mutable ConfigSource source_;
  const Intents intents_;
  std::unique_ptr<Readiness> readiness_;  // set by watch(), destroyed first: its thread looks through the others
};

Result<void> CniNetwork::watch() {
  std::vector<std::string> directories = options_.bin_dirs;
  directories.insert(directories.begin(), options_.conf_dir);
  const auto look = [this]() -> engine::Condition {
    const Result<std::shared_ptr<const NetworkConfig>> network = usable();
    if (network.ok()) return {true, "", ""};
    return {false, "NetworkPluginNotReady", network.error().message};
  };
  TRY_ASSIGN(readiness_, Readiness::watch(std::move(directories), look));
  return {};
}

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

// From the caller's record, else from the intent of an ADD that was cut short. nullopt: no ADD was begun.
Result<std::optional<CniNetwork::Kept>> CniNetwork::recall(const std::string& pod_id, const std::string& cached) const {
  if (!cached.empty()) {
    Json record = Json::parse(cached, nullptr, false);
    if (!record.is_object() || !record.contains("config")) return fail(Code::data_loss, "the record of its network is damaged");
    TRY_ASSIGN(NetworkConfig network, from_json(std::move(record["config"]), "recorded configuration"));
    return std::optional<Kept>{{std::move(network), record.value("result", Json())}};
  }
  if (intents_.kept()) {
    TRY_ASSIGN(std::optional<Intent> intent, intents_.find(pod_id));
    if (!intent) return std::optional<Kept>{};
    return std::optional<Kept>{{std::move(intent->network), Json()}};
  }
  Result<std::shared_ptr<const NetworkConfig>> now = source_.current();
  if (!now.ok()) return fail(Code::failed_precondition, "nothing is recorded of its network, and {}", now.error().message);
  return std::optional<Kept>{{*now.value(), Json()}};
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
  TRY(intents_.keep(request.pod_id, {*network, call.netns, call.args, declared(*network, call.capabilities)}));
  TRY_ASSIGN(const UniqueFd lock, intents_.lock(request.pod_id, 2 * options_.timeout));
  call.keep = lock.get();
  std::size_t begun = 0;
  Result<engine::NetworkResult> done = add(*network, call, begun);
  if (done.ok()) return done;
  // A fresh deadline: the time-out may be why we are here. If this DEL fails too, the intent stays for the caller's detach.
  call.deadline = std::chrono::steady_clock::now() + options_.timeout;
  if (del_chain(*network, call, Json(), begun).ok()) (void)intents_.drop(request.pod_id);
  return done;
}

Result<void> CniNetwork::give_back(ChainCall call, const Kept& kept) const {
  TRY_ASSIGN(const UniqueFd lock, intents_.lock(call.container_id, 2 * options_.timeout));
  call.keep = lock.get();
  if (!is_namespace(call.netns)) call.netns.clear();
  TRY(del_chain(kept.network, call, kept.result, kept.network.plugins.size()));
  return intents_.drop(call.container_id);
}

Result<void> CniNetwork::detach(const engine::NetworkRequest& request, const std::string& cached) {
  Result<ChainCall> call = make_call(request);
  if (!call.ok()) return {};  // attach refused the same request before any plugin was called
  TRY_ASSIGN(const std::optional<Kept> kept, recall(request.pod_id, cached));
  if (!kept.has_value()) return {};
  return give_back(std::move(call).take(), *kept);
}

Result<void> CniNetwork::detach_owed(const std::string& pod_id) {
  TRY_ASSIGN(std::optional<Intent> intent, intents_.find(pod_id));
  if (!intent) return intents_.drop(pod_id);  // the power went while it was written: no plugin ran yet
  ChainCall call;
  call.container_id = pod_id;
  call.netns = std::move(intent->netns);
  call.args = std::move(intent->args);
  call.capabilities = std::move(intent->capabilities);
  call.bin_dirs = options_.bin_dirs;
  call.deadline = std::chrono::steady_clock::now() + options_.timeout;
  return give_back(std::move(call), {std::move(intent->network), Json()});
}

Result<void> CniNetwork::reclaim() {
  std::map<std::string, NetworkConfig> networks;  // by their text: all pods have the same one as a rule
  const auto note = [&](const NetworkConfig& network) { networks.emplace(to_text(network.source), network); };
  if (const auto now = source_.current(); now.ok()) note(*now.value());
  TRY_ASSIGN(const std::vector<std::string> pods, intents_.pods());
  for (const std::string& pod : pods)
    if (const auto intent = intents_.find(pod); intent.ok() && intent.value()) note(intent.value()->network);
  for (const auto& [text, network] : networks) {
    TRY_ASSIGN(const unsigned freed, free_ownerless_addresses(network));
    if (freed > 0) log::warn("network '{}': {} addresses that had lost their owner are free again", network.name, freed);
  }
  return {};
}

Result<void> CniNetwork::set_pod_cidrs(const std::string& cidrs) {
  TRY_ASSIGN(const std::vector<std::string> networks, parse_cidrs(cidrs).context("pod_cidr"));
  if (options_.conf_template.empty()) return {};  // the node's network daemon writes the configuration
  TRY_ASSIGN(const std::string text, sys::read_file(options_.conf_template, kMaxJsonSize));
  auto rendered = render_template(text, networks);
  if (!rendered.ok()) return std::move(rendered).error().within("'{}'", options_.conf_template);
  auto parsed = parse_config(kRendered, rendered.value());
  if (!parsed.ok()) return std::move(parsed).error().within("'{}' with the pod CIDR filled in", options_.conf_template);
  TRY(sys::make_directories(options_.conf_dir, 0755));
  TRY_ASSIGN(const UniqueFd directory, sys::open_path(options_.conf_dir, O_RDONLY | O_DIRECTORY));
  TRY(sys::replace_file(directory, kRendered, rendered.value(), 0644));
  readiness_->look();
  return {};
}

}  // namespace

Result<std::unique_ptr<engine::Network>> open_cni(CniOptions options) {
  if (options.timeout <= std::chrono::milliseconds(0)) return fail(Code::invalid_argument, "CNI: the time-out must be positive");
  if (options.bin_dirs.empty()) return fail(Code::invalid_argument, "CNI: no plugin directory");
  for (const std::string& directory : options.bin_dirs)
    if (!directory.starts_with('/') || directory.find(':') != std::string::npos)
      return fail(Code::invalid_argument, "CNI: plugin directory '{}' is not an absolute path without ':'", directory);
  TRY_ASSIGN(Intents intents, Intents::open(options.intent_dir));
  auto network = std::make_unique<CniNetwork>(std::move(options), std::move(intents));
  TRY(network->watch());
  return std::unique_ptr<engine::Network>(std::move(network));
}

}  // namespace slipway::network
