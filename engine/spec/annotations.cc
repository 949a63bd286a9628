// Annotations as wishes.
#include "engine/spec/annotations.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kMaxValue = 16 << 10;
constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

// Without those that give a container the CPU before everybody else of the node: RTPRIO, NICE, RTTIME.
constexpr std::string_view kLimits[] = {"AS",    "CORE",     "CPU",    "DATA",  "FSIZE", "LOCKS",     "MEMLOCK",
                                        "NPROC", "MSGQUEUE", "NOFILE", "STACK", "RSS",   "SIGPENDING"};

bool is_honoured(const AnnotationPolicy& policy, std::string_view name) {
  return std::ranges::find(policy.honoured, name) != policy.honoured.end();
}

// The first of the names that is there.
struct Found {
  std::string name;
  std::string_view value;
};
Result<std::optional<Found>> find(const Annotations& annotations, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto at = annotations.find(name);
    if (at == annotations.end()) continue;
    if (at->second.size() > kMaxValue)
      return fail(Code::invalid_argument, "annotation '{}': {} bytes, at most {} are read", name, at->second.size(), kMaxValue);
    return std::optional<Found>(Found{name, at->second});
  }
  return std::optional<Found>{};
}

constexpr std::string_view kBlanks = " \t\r";

// The next piece without the blanks around it.
std::string_view next(std::string_view& rest, char separator) {
  return trim(cut(rest, separator), kBlanks);
}

Result<std::uint64_t> to_limit(std::string_view text) {
  if (text == "unlimited" || text == "-1") return kUnlimited;
  const auto value = to_number<std::uint64_t>(text);
  if (!value) return fail(Code::invalid_argument, "'{}' is neither a number nor 'unlimited'", text);
  return *value;
}

// "nofile", "RLIMIT_NOFILE" → "RLIMIT_NOFILE".
Result<std::string> limit_name(std::string_view text) {
  std::string name(text);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (name.starts_with("RLIMIT_")) name.erase(0, 7);
  if (std::ranges::find(kLimits, name) == std::end(kLimits))
    return fail(Code::invalid_argument, "there is no limit '{}' that a container may choose", text);
  return "RLIMIT_" + name;
}

Result<void> add_limit(std::vector<oci::Rlimit>& limits, std::string_view type, std::string_view soft, std::string_view hard) {
  oci::Rlimit limit;
  TRY_ASSIGN(limit.type, limit_name(type));
  TRY_ASSIGN(limit.soft, to_limit(soft).context("{}", type));
  TRY_ASSIGN(limit.hard, to_limit(hard).context("{}", type));
  if (limit.soft > limit.hard) return fail(Code::invalid_argument, "{}: the soft limit is more than the hard one", type);
  if (std::ranges::any_of(limits, [&](const oci::Rlimit& other) { return other.type == limit.type; }))
    return fail(Code::invalid_argument, "{} is there twice", type);
  limits.push_back(std::move(limit));
  return {};
}

// "nofile=1024:4096,core=0"
Result<std::vector<oci::Rlimit>> short_limits(std::string_view text) {
  std::vector<oci::Rlimit> limits;
  while (!text.empty()) {
    std::string_view one = next(text, ',');
    const std::string_view type = next(one, '=');
    const std::string_view soft = next(one, ':');
    TRY(add_limit(limits, type, soft, one.empty() ? soft : trim(one, kBlanks)));
  }
  return limits;
}

struct ListedLimit {
  std::string type, soft = "0", hard = "0";  // what is not said is 0
};

Result<void> set(ListedLimit& limit, std::string_view key, std::string_view value) {
  if (key == "type" || key == "path")
    limit.type = value;
  else if (key == "soft")
    limit.soft = value;
  else if (key == "hard")
    limit.hard = value;
  else
    return fail(Code::invalid_argument, "'{}' is none of type, soft, hard", key);
  return {};
}

// The list as it is written in YAML: "- type: nofile" and two lines for each.
Result<std::vector<ListedLimit>> lines_of(std::string_view text) {
  std::vector<ListedLimit> list;
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '-') {
      list.emplace_back();
      line = trim(line.substr(1), kBlanks);
      if (line.empty()) continue;
    }
    if (list.empty()) return fail(Code::invalid_argument, "'{}' is not in a list", line);
    const std::string_view key = next(line, ':');
    std::string_view value = trim(line, kBlanks);
    if (value.size() > 1 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0]) value = value.substr(1, value.size() - 2);
    TRY(set(list.back(), key, value));
  }
  return list;
}

Result<std::vector<ListedLimit>> objects_of(std::string_view text) {
  const nlohmann::json all = nlohmann::json::parse(text, nullptr, false);
  if (!all.is_array()) return fail(Code::invalid_argument, "no JSON array");
  std::vector<ListedLimit> list;
  for (const auto& one : all) {
    if (!one.is_object()) return fail(Code::invalid_argument, "an element is no object");
    list.emplace_back();
    for (const auto& [key, value] : one.items()) TRY(set(list.back(), key, value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return list;
}

Result<std::vector<oci::Rlimit>> parse_limits(std::string_view text) {
  text = trim(text, kBlanks);
  while (text.starts_with('\n')) text = trim(text.substr(1), kBlanks);
  if (!text.starts_with('-') && !text.starts_with('[')) return short_limits(text);
  TRY_ASSIGN(const std::vector<ListedLimit> list, text[0] == '[' ? objects_of(text) : lines_of(text));
  std::vector<oci::Rlimit> limits;
  for (const ListedLimit& one : list) TRY(add_limit(limits, one.type, one.soft, one.hard));
  return limits;
}

Result<std::uint32_t> parse_umask(std::string_view text) {
  const auto value = to_number<std::uint32_t>(trim(text, kBlanks), 8);
  if (!value || *value > 0777) return fail(Code::invalid_argument, "'{}' is no octal number up to 0777", text);
  return *value;
}

// What no limit of the pod's own cgroup holds down: which CPUs (the kubelet keeps some for others), swap, a place before everybody else's
// I/O.
Result<void> check_is_the_pods(std::string_view file) {
  constexpr std::string_view kOfTheNode[] = {"cpuset.", "memory.swap.", "memory.zswap.", "cpu.uclamp.", "io.prio."};
  if (std::ranges::any_of(kOfTheNode, [&](std::string_view prefix) { return file.starts_with(prefix); }))
    return fail(Code::permission_denied, "'{}' is for the node to decide, not for a pod", file);
  return {};
}

Result<std::map<std::string, std::string>> parse_unified(std::string_view text) {
  std::map<std::string, std::string> out;
  while (!text.empty()) {
    std::string_view one = next(text, ';');
    if (one.empty()) continue;
    const std::string_view file = next(one, '=');
    if (file.empty() || trim(one, kBlanks).empty()) return fail(Code::invalid_argument, "'{}' is not FILE=VALUE", file);
    TRY(check_is_the_pods(file));
    out[std::string(file)] = trim(one, kBlanks);
  }
  return out;
}

Result<std::vector<Device>> parse_devices(std::string_view text, const AnnotationPolicy& policy) {
  std::vector<Device> out;
  while (!text.empty()) {
    std::string_view one = next(text, ',');
    Device device;
    device.host_path = next(one, ':');
    device.container_path = next(one, ':');
    device.permissions = trim(one, kBlanks);
    // "/dev/fuse:rwm" has no second path.
    if (!device.container_path.empty() && device.container_path[0] != '/') std::swap(device.container_path, device.permissions);
    if (device.container_path.empty()) device.container_path = device.host_path;
    if (!device.host_path.starts_with('/') || !device.container_path.starts_with('/'))
      return fail(Code::invalid_argument, "'{}' is no absolute path", device.host_path);
    if (device.permissions.find_first_not_of("rwm") != std::string::npos)
      return fail(Code::invalid_argument, "'{}' of {} are not some of 'rwm'", device.permissions, device.host_path);
    if (std::ranges::find(policy.devices, device.host_path) == policy.devices.end())
      return fail(Code::permission_denied, "{} is none of the devices that the configuration allows (pods.devices)", device.host_path);
    out.push_back(std::move(device));
  }
  return out;
}

// Kubernetes' quantities: "64Mi", "1G", "67108864".
Result<std::int64_t> parse_quantity(std::string_view text) {
  constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {{"Ki", 1ULL << 10},
                                                                   {"Mi", 1ULL << 20},
                                                                   {"Gi", 1ULL << 30},
                                                                   {"Ti", 1ULL << 40},
                                                                   {"k", 1'000},
                                                                   {"M", 1'000'000},
                                                                   {"G", 1'000'000'000},
                                                                   {"T", 1'000'000'000'000},
                                                                   {"", 1}};
  text = trim(text, kBlanks);
  for (const auto& [suffix, unit] : kUnits) {
    if (!text.ends_with(suffix)) continue;
    const auto value = to_number<std::uint64_t>(text.substr(0, text.size() - suffix.size()));
    constexpr std::uint64_t kMost = 1ULL << 50;
    if (!value || *value == 0 || *value > kMost / unit) break;
    return static_cast<std::int64_t>(*value * unit);
  }
  return fail(Code::invalid_argument, "'{}' is no size like 64Mi", text);
}

}  // namespace

Result<Wishes> container_wishes(const Annotations& annotations, const std::string& container, const AnnotationPolicy& policy) {
  Wishes out;
  if (is_honoured(policy, "ulimits")) {
    TRY_ASSIGN(const auto found, find(annotations, {"ulimits.slipway.io/" + container, "ulimits.noderesource.dev/container." + container,
                                                    "ulimits.nri.containerd.io/container." + container, "ulimits.slipway.io"}));
    if (found) {
      TRY_ASSIGN(out.rlimits, parse_limits(found->value).context("annotation '{}'", found->name));
    }
  }
  if (is_honoured(policy, "umask")) {
    TRY_ASSIGN(const auto found, find(annotations, {"umask.crio.io", "io.kubernetes.cri-o.umask"}));
    if (found) {
      TRY_ASSIGN(out.umask, parse_umask(found->value).context("annotation '{}'", found->name));
    }
  }
  if (is_honoured(policy, "unified-cgroup")) {
    TRY_ASSIGN(const auto found, find(annotations, {"unified-cgroup.crio.io/" + container, "io.kubernetes.cri-o.UnifiedCgroup." + container,
                                                    "unified-cgroup.crio.io", "io.kubernetes.cri-o.UnifiedCgroup"}));
    if (found) {
      TRY_ASSIGN(out.unified, parse_unified(found->value).context("annotation '{}'", found->name));
    }
  }
  if (is_honoured(policy, "devices")) {
    TRY_ASSIGN(const auto found, find(annotations, {"devices.crio.io", "io.kubernetes.cri-o.Devices"}));
    if (found) {
      TRY_ASSIGN(out.devices, parse_devices(found->value, policy).context("annotation '{}'", found->name));
    }
  }
  return out;
}

Result<std::optional<std::int64_t>> shm_size(const Annotations& annotations, const AnnotationPolicy& policy) {
  if (!is_honoured(policy, "shm-size")) return std::optional<std::int64_t>{};
  TRY_ASSIGN(const auto found, find(annotations, {"shm-size.crio.io", "io.kubernetes.cri-o.ShmSize"}));
  if (!found) return std::optional<std::int64_t>{};
  TRY_ASSIGN(const std::int64_t size, parse_quantity(found->value).context("annotation '{}'", found->name));
  return std::optional<std::int64_t>(size);
}

}  // namespace slipway::engine
