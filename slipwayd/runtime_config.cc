// The table of a handler's keys and what follows from it.
#include "slipwayd/runtime_config.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <variant>

#include "base/log.h"
#include "engine/host_facts.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::daemon {
namespace {

using engine::RuntimeHandler;
using Strings = std::vector<std::string>;
using Field =
    std::variant<std::string RuntimeHandler::*, bool RuntimeHandler::*, Strings RuntimeHandler::*, engine::Annotations RuntimeHandler::*>;

struct Key {
  std::string_view name;
  Field field;
  std::string_view example;
  std::string_view comment;
};

const Key kKeys[] = {
    {"binary", &RuntimeHandler::binary, "\"/usr/bin/crun\"",
     "An OCI runtime with runc's command line. [runtimes.slipway] has none: slipway itself."},
    {"root", &RuntimeHandler::root, "\"\"", "Where it keeps its state. Empty: runtimes/NAME in `state`."},
    {"cgroup_manager", &RuntimeHandler::cgroup_manager, "\"\"",
     "Empty: as cgroup_driver. \"cgroupfs\" with the driver \"systemd\": for a runtime that cannot speak to systemd, at the price that a "
     "reload "
     "of systemd may take limits away."},
    {"default_annotations", &RuntimeHandler::default_annotations, "{ \"org.example.key\" = \"value\" }",
     "Annotations of every container's OCI specification; the pod's and the container's own come before them."},
    {"pod_annotations", &RuntimeHandler::pod_annotations, "[\"org.example.*\"]",
     "Annotations of pods that go into the OCI specification, by name; one may end in '*', which covers org.systemd.property., org.criu. "
     "and run.oci. "
     "only where it begins with these."},
    {"container_annotations", &RuntimeHandler::container_annotations, "[]", "The same of containers' annotations."},
    {"privileged_without_host_devices", &RuntimeHandler::privileged_without_host_devices, "false",
     "Privileged containers get no devices of the host's but those they name."},
};

// What becomes a word of a command line, a directory and a RuntimeClass's handler (RFC 1123 label).
bool is_handler_name(std::string_view name) {
  constexpr std::size_t kLongest = 63;
  if (name.empty() || name.size() > kLongest || name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool set(std::string& out, const toml::node& node) {
  if (!node.is_string()) return false;
  out = node.as_string()->get();
  return true;
}
bool set(bool& out, const toml::node& node) {
  if (!node.is_boolean()) return false;
  out = node.as_boolean()->get();
  return true;
}
bool set(Strings& out, const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr) return false;
  return std::all_of(array->begin(), array->end(), [&](const toml::node& item) { return set(out.emplace_back(), item); });
}
bool set(engine::Annotations& out, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr) return false;
  return std::all_of(table->begin(), table->end(), [&](const auto& item) { return set(out[std::string(item.first.str())], item.second); });
}

const char* wanted(const Field& field) {
  if (std::holds_alternative<std::string RuntimeHandler::*>(field)) return "a string";
  if (std::holds_alternative<bool RuntimeHandler::*>(field)) return "true or false";
  if (std::holds_alternative<Strings RuntimeHandler::*>(field)) return "a list of strings";
  return "a table of strings";
}

RuntimeHandler read_one(std::string_view name, const toml::table& values, const Complain& complain) {
  RuntimeHandler handler;
  handler.name = name;
  for (const auto& [key, node] : values) {
    const auto* known = std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return k.name == key.str(); });
    if (known == std::end(kKeys)) {
      complain(key.source().begin.line, fmt::format("unknown key 'runtimes.{}.{}'", name, key.str()));
      continue;
    }
    const bool taken = std::visit([&](const auto field) { return set(handler.*field, node); }, known->field);
    if (!taken) complain(key.source().begin.line, fmt::format("runtimes.{}.{} wants {}", name, key.str(), wanted(known->field)));
  }
  return handler;
}

Result<void> check_binary(const RuntimeHandler& handler) {
  const std::string& path = handler.binary;
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "runtimes.{}.binary: '{}' is not an absolute path", handler.name, path);
  if (::access(path.c_str(), F_OK) != 0) return fail_errno(errno, "runtimes.{}.binary: '{}'", handler.name, path);
  if (!sys::is_program(path)) return fail(Code::invalid_argument, "runtimes.{}.binary: '{}' is not an executable file", handler.name, path);
  return {};
}

Result<void> check_one(const RuntimeHandler& handler, std::string_view driver) {
  if (!is_handler_name(handler.name))
    return fail(Code::invalid_argument, "runtimes: '{}' is not a name of a handler: lower-case letters, digits and '-', at most 63",
                handler.name);
  const bool own = handler.name == engine::kOwnRuntime;
  if (own && (!handler.binary.empty() || !handler.root.empty() || !handler.cgroup_manager.empty()))
    return fail(Code::invalid_argument,
                "runtimes.slipway: it is slipway's own runner; binary, root and cgroup_manager are another runtime's");
  if (own) return {};
  TRY(check_binary(handler));
  if (!handler.root.empty() && handler.root[0] != '/')
    return fail(Code::invalid_argument, "runtimes.{}.root: '{}' is not an absolute path", handler.name, handler.root);
  const std::string& manager = handler.cgroup_manager;
  if (!manager.empty() && manager != "cgroupfs" && manager != "systemd")
    return fail(Code::invalid_argument, "runtimes.{}.cgroup_manager: '{}' is none of cgroupfs, systemd", handler.name, manager);
  if (manager == "systemd" && driver != "systemd")
    return fail(Code::invalid_argument, "runtimes.{}.cgroup_manager: 'systemd', but cgroup_driver is '{}': a pod's cgroup is no slice",
                handler.name, driver);
  return {};
}

}  // namespace

std::vector<RuntimeHandler> read_runtimes(const toml::table& tables, const Complain& complain) {
  std::vector<RuntimeHandler> out;
  for (const auto& [name, node] : tables) {
    if (const auto* values = node.as_table())
      out.push_back(read_one(name.str(), *values, complain));
    else
      complain(name.source().begin.line, fmt::format("runtimes.{} wants a table", name.str()));
  }
  return out;
}

Result<void> check_runtimes(const std::vector<RuntimeHandler>& handlers, const std::string& default_name, std::string_view cgroup_driver) {
  bool found = default_name == engine::kOwnRuntime;
  for (const RuntimeHandler& handler : handlers) {
    TRY(check_one(handler, cgroup_driver));
    found |= handler.name == default_name;
  }
  if (!found) return fail(Code::invalid_argument, "default_runtime: there is no [runtimes.{}]", default_name);
  return {};
}

Result<engine::RuntimeHandlers> open_runtimes(std::vector<RuntimeHandler> handlers, const std::string& default_name,
                                              const std::string& cgroup_driver, const std::string& state) {
  engine::RuntimeHandlers out;
  out.default_name = default_name;
  for (RuntimeHandler& handler : handlers) {
    if (handler.name == engine::kOwnRuntime) {
      out.all.front() = std::move(handler);
      continue;
    }
    if (handler.root.empty()) handler.root = state + "/runtimes/" + handler.name;
    if (handler.cgroup_manager.empty()) handler.cgroup_manager = cgroup_driver;
    TRY(sys::make_directories(handler.root, 0700));
    TRY(engine::probe_runtime(handler));
    // The runtime may know what the kernel does not.
    handler.recursive_read_only_mounts &= engine::can_set_mount_trees();
    log::info("runtime handler '{}': {}", handler.name, handler.binary);
    out.all.push_back(std::move(handler));
  }
  out.all.front().recursive_read_only_mounts = engine::can_set_mount_trees();
  out.all.front().user_namespaces = engine::can_map_users();
  return out;
}

std::string runtimes_example() {
  std::string out =
      "\n# Runtime handlers: what a RuntimeClass's handler names. \"slipway\" is always there; other OCI runtimes have a table each:\n#\n"
      "# [runtimes.NAME]\n";
  for (const Key& key : kKeys) out += fmt::format("#\n# {}\n# {} = {}\n", key.comment, key.name, key.example);
  return out;
}

nlohmann::json to_json(const std::vector<RuntimeHandler>& handlers) {
  nlohmann::json out = nlohmann::json::object();
  for (const RuntimeHandler& handler : handlers)
    for (const Key& key : kKeys)
      std::visit([&](const auto field) { out[handler.name][std::string(key.name)] = handler.*field; }, key.field);
  return out;
}

}  // namespace slipway::daemon
