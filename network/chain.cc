// Calls the plugins of one network one after the other.
#include "network/chain.h"

#include "base/text.h"
#include "network/cni_result.h"
#include "network/pod_args.h"

namespace slipway::network {
namespace {

Result<std::string> call_plugin(const NetworkConfig& network, const PluginConfig& plugin, const char* command, const ChainCall& call,
                                const Json& previous) {
  Result<std::string> program = find_plugin(plugin.type, call.bin_dirs);
  if (!program.ok()) return fail(Code::failed_precondition, "{}", program.error().message);
  Invocation invocation;
  invocation.plugin = plugin.type;
  invocation.program = std::move(program).take();
  invocation.command = command;
  invocation.container_id = call.container_id;
  invocation.netns = call.netns;
  invocation.if_name = kInterface;
  invocation.args = call.args;
  invocation.path = join(call.bin_dirs, ":");
  invocation.config = to_text(plugin_input(plugin.config, network.name, network.version, call.capabilities, previous));
  invocation.keep = call.keep;
  return invoke(invocation, call.deadline);
}

}  // namespace

Result<Json> add_chain(const NetworkConfig& network, const ChainCall& call, std::size_t& begun) {
  Json previous;
  begun = 0;
  for (const PluginConfig& plugin : network.plugins) {
    ++begun;
    TRY_ASSIGN(const std::string text, call_plugin(network, plugin, "ADD", call, previous));
    Result<Json> result = parse_result(text, network.version);
    // The plugin's fault, not the caller's: never invalid_argument.
    if (!result.ok()) return fail(Code::internal, "CNI plugin '{}' ADD: {}", plugin.type, result.error().message);
    previous = std::move(result).take();
  }
  return previous;
}

Result<void> del_chain(const NetworkConfig& network, const ChainCall& call, const Json& result, std::size_t count) {
  Result<void> first;
  // Section 4: prevResult belongs to DEL since 0.4.0.
  const Json previous = at_least(network.version, "0.4.0") ? result : Json();
  for (std::size_t i = count; i > 0; --i) {
    Result<std::string> answer = call_plugin(network, network.plugins[i - 1], "DEL", call, previous);
    if (!answer.ok() && first.ok()) first = std::move(answer).error();
  }
  return first;
}

}  // namespace slipway::network
