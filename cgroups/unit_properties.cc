// Each limit in systemd's words.
#include "cgroups/unit_properties.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "cgroups/plan.h"

namespace slipway::cgroups {
namespace {

constexpr std::uint64_t kUsecPerSec = 1'000'000;
constexpr std::uint64_t kDefaultPeriod = 100'000;
constexpr std::uint64_t kMostCpus = 8192;
// systemd keeps a quota as whole percents of a CPU (CPUQuota=): rounded up, a reload never leaves less than was asked for.
constexpr std::uint64_t kQuotaStep = 10'000;

std::uint64_t or_infinity(std::int64_t value) {
  return value < 0 ? kInfinity : static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> number_or_max(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(" \n") + 1);
  return text == "max" ? kInfinity : to_number<std::uint64_t>(text);
}

// "0-2,7" as a set: bit i of byte i / 8.
std::optional<Bytes> to_set(std::string_view list) {
  Bytes out;
  while (!list.empty()) {
    std::string_view range = cut(list, ',');
    while (range.starts_with(' ')) range.remove_prefix(1);
    const std::size_t dash = range.find('-');
    const auto first = number_or_max(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number_or_max(range.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= kMostCpus) return std::nullopt;
    for (std::uint64_t i = *first; i <= *last; ++i) {
      if (out.size() <= i / 8) out.resize(i / 8 + 1);
      out[i / 8] |= static_cast<std::uint8_t>(1U << (i % 8));
    }
  }
  return out;
}

void put_set(const char* name, std::string_view list, std::vector<Property>& out) {
  if (list.empty()) return;
  if (auto set = to_set(list)) out.push_back({name, *std::move(set)});
}

void put_quota(std::uint64_t quota, std::uint64_t period, std::vector<Property>& out) {
  std::uint64_t per_second = kInfinity;
  if (quota != kInfinity && period != 0 && quota <= kInfinity / kUsecPerSec / 2) {
    per_second = (quota * kUsecPerSec + period - 1) / period;
    per_second = (per_second + kQuotaStep - 1) / kQuotaStep * kQuotaStep;
  }
  out.push_back({"CPUQuotaPerSecUSec", per_second});
  if (period != 0) out.push_back({"CPUQuotaPeriodUSec", period});
}

void put_cpu(const oci::Cpu& cpu, std::vector<Property>& out) {
  if (cpu.idle.value_or(0) == 1) {
    out.push_back({"CPUWeight", std::uint64_t{0}});
  } else if (cpu.shares.value_or(0) != 0) {
    out.push_back({"CPUWeight", weight_from_shares(*cpu.shares)});
  }
  const std::int64_t quota = cpu.quota.value_or(0);
  const std::uint64_t period = cpu.period.value_or(0);
  if (quota != 0) {
    put_quota(or_infinity(quota), period != 0 ? period : kDefaultPeriod, out);
  } else if (period != 0) {
    out.push_back({"CPUQuotaPeriodUSec", period});
  }
  put_set("AllowedCPUs", cpu.cpus, out);
  put_set("AllowedMemoryNodes", cpu.mems, out);
}

void put_memory(const oci::Memory& memory, std::vector<Property>& out) {
  const std::int64_t limit = memory.limit.value_or(0);
  const std::int64_t swap = memory.swap.value_or(0);
  if (limit != 0) out.push_back({"MemoryMax", or_infinity(limit)});
  if (memory.reservation.value_or(0) != 0) out.push_back({"MemoryLow", or_infinity(*memory.reservation)});
  if (swap < 0 || (swap == 0 && limit < 0)) {
    out.push_back({"MemorySwapMax", kInfinity});
  } else if (swap >= limit && limit > 0) {
    out.push_back({"MemorySwapMax", static_cast<std::uint64_t>(swap - limit)});
  }
}

// Those of `unified` that systemd writes itself; it leaves all other files alone.
void put_unified(const std::string& file, std::string_view value, std::vector<Property>& out) {
  constexpr std::pair<std::string_view, const char*> kNumbers[] = {
      {"memory.max", "MemoryMax"}, {"memory.high", "MemoryHigh"}, {"memory.low", "MemoryLow"},          {"memory.min", "MemoryMin"},
      {"pids.max", "TasksMax"},    {"cpu.weight", "CPUWeight"},   {"memory.swap.max", "MemorySwapMax"},
  };
  for (const auto& [name, property] : kNumbers) {
    if (file != name) continue;
    if (const auto number = number_or_max(value)) out.push_back({property, *number});
  }
  if (file == "cpuset.cpus") put_set("AllowedCPUs", value, out);
  if (file == "cpuset.mems") put_set("AllowedMemoryNodes", value, out);
  if (file == "cpu.max") {
    const std::size_t space = std::min(value.find(' '), value.size());
    const auto quota = number_or_max(value.substr(0, space));
    const auto period = space == value.size() ? kDefaultPeriod : number_or_max(value.substr(space + 1));
    if (quota && period) put_quota(*quota, *period, out);
  }
  if (file == "io.weight") {
    if (const auto number = number_or_max(value.starts_with("default ") ? value.substr(8) : value)) out.push_back({"IOWeight", *number});
  }
}

class Put {
 public:
  explicit Put(dbus::Writer& writer) : out(writer) {}

  void operator()(bool value) const {
    out.signature("b");
    out.boolean(value);
  }
  void operator()(std::uint64_t value) const {
    out.signature("t");
    out.u64(value);
  }
  void operator()(const std::string& value) const {
    out.signature("s");
    out.string(value);
  }
  void operator()(const Bytes& value) const {
    out.signature("ay");
    const auto array = out.begin_array(1);
    for (const std::uint8_t one : value) out.byte(one);
    out.end_array(array);
  }
  void operator()(const Numbers& value) const {
    out.signature("au");
    const auto array = out.begin_array(4);
    for (const std::uint32_t one : value) out.u32(one);
    out.end_array(array);
  }
  void operator()(const Names& value) const {
    out.signature("as");
    const auto array = out.begin_array(4);
    for (const std::string& one : value) out.string(one);
    out.end_array(array);
  }
  void operator()(const Literal& value) const {
    out.signature(value.type);
    const char type = value.type.back();
    if (value.type.size() == 1) return items(type, value);
    const auto array = out.begin_array(dbus::alignment_of(type));
    items(type, value);
    out.end_array(array);
  }

 private:
  void items(char type, const Literal& value) const {
    for (const std::uint64_t number : value.numbers) out.number(type, number);
    for (const std::string& text : value.strings) type == 'g' ? out.signature(text) : out.string(text);
  }

  dbus::Writer& out;
};

}  // namespace

std::vector<Property> plan_properties(const oci::Resources& resources) {
  std::vector<Property> out;
  if (resources.cpu) put_cpu(*resources.cpu, out);
  if (resources.memory) put_memory(*resources.memory, out);
  if (resources.pids_limit) out.push_back({"TasksMax", or_infinity(tasks_limit(*resources.pids_limit))});
  if (resources.block_io && resources.block_io->weight.value_or(0) != 0)
    out.push_back({"IOWeight", 1 + (static_cast<std::uint64_t>(*resources.block_io->weight) - 10) * 9999 / 990});
  for (const auto& [file, value] : resources.unified) put_unified(file, value, out);
  return out;
}

void put_properties(dbus::Writer& out, const std::vector<Property>& properties) {
  const auto array = out.begin_array(8);
  for (const Property& property : properties) {
    out.begin_struct();
    out.string(property.name);
    std::visit(Put(out), property.value);
  }
  out.end_array(array);
}

}  // namespace slipway::cgroups
