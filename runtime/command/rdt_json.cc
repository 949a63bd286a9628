// Files of the resctrl file system as JSON members.
#include "runtime/command/rdt_json.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "oci/json.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr std::size_t kFileLimit = 64 << 10;

// Members of one object, those that are there.
struct Members {
  std::string text;

  void put(std::string_view name, std::string_view json) { text += fmt::format("{}\"{}\":{}", text.empty() ? "" : ",", name, json); }
  void put_string(std::string_view name, std::string_view value) {
    std::string quoted;
    oci::json::append_quoted(quoted, value);
    put(name, quoted);
  }
  std::string object() const { return "{" + text + "}"; }
};

Result<std::string> word_of(const std::string& path) {
  TRY_ASSIGN(const std::string text, sys::read_file(path, kFileLimit));
  return std::string(trim(text, " \n"));
}

// "Unavailable" and "Error" are the kernel's words for a counter that has nothing to say.
Result<std::string> number_of(const std::string& path) {
  TRY_ASSIGN(std::string text, word_of(path));
  const auto number = to_number<std::uint64_t>(text);
  if (!number) return fail(Code::data_loss, "{}: '{}' is not a number", path, text);
  return fmt::format("{}", *number);
}

// Of `names`, all of which the kernel has in such a directory.
Result<std::string> info_json(const std::string& directory, std::initializer_list<const char*> names) {
  Members out;
  for (const std::string_view name : names) {
    const std::string path = fmt::format("{}/{}", directory, name);
    if (name == "cbm_mask") {
      TRY_ASSIGN(const std::string mask, word_of(path));
      out.put_string(name, mask);
    } else {
      TRY_ASSIGN(const std::string number, number_of(path));
      out.put(name, number);
    }
  }
  return out.object();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::string_view line = trim(cut(text, '\n'), " ");
    if (!line.empty()) out.emplace_back(line);
  }
  return out;
}

// The line of a resource; with code and data apart there are two, and the last is what runc tells.
void put_line(Members& out, std::string_view name, const std::vector<std::string>& schemata, std::string_view resource) {
  const auto line = std::find_if(schemata.rbegin(), schemata.rend(), [&](const std::string& one) { return one.starts_with(resource); });
  if (line != schemata.rend()) out.put_string(name, *line);
}

struct Features {
  bool total = false, local = false, occupancy = false;
};

Features features_of(const Resctrl& resctrl) {
  Features out;
  const auto text = sys::read_file(resctrl.root + "/info/L3_MON/mon_features", kFileLimit);  // absent: it monitors nothing
  if (!text.ok()) return out;
  for (const std::string& line : lines_of(text.value())) {
    if (line == "mbm_total_bytes") out.total = true;
    if (line == "mbm_local_bytes") out.local = true;
    if (line == "llc_occupancy") out.occupancy = true;
  }
  return out;
}

Result<std::string> counter(bool there, const std::string& path) {
  if (!there) return std::string("0");
  return number_of(path);
}

// One entry a domain ("mon_L3_00"), in their order.
Result<void> put_monitoring(Members& out, const Features& features, const std::string& directory) {
  TRY_ASSIGN(const UniqueFd fd, sys::open_path(directory, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(std::vector<std::string> domains, sys::list_directory(fd));
  std::ranges::sort(domains);
  std::string bandwidth;
  std::string occupancy;
  for (const std::string& domain : domains) {
    const std::string path = directory + "/" + domain;
    const char* comma = bandwidth.empty() && occupancy.empty() ? "" : ",";
    if (features.total || features.local) {
      TRY_ASSIGN(const std::string total, counter(features.total, path + "/mbm_total_bytes"));
      TRY_ASSIGN(const std::string local, counter(features.local, path + "/mbm_local_bytes"));
      bandwidth += fmt::format(R"({}{{"mbm_total_bytes":{},"mbm_local_bytes":{}}})", comma, total, local);
    }
    if (features.occupancy) {
      TRY_ASSIGN(const std::string bytes, number_of(path + "/llc_occupancy"));
      occupancy += fmt::format(R"({}{{"llc_occupancy":{}}})", comma, bytes);
    }
  }
  if (features.total || features.local) out.put("mbm_stats", "[" + bandwidth + "]");
  if (features.occupancy) out.put("cmt_stats", "[" + occupancy + "]");
  return {};
}

}  // namespace

Result<std::string> rdt_json(const Resctrl& resctrl, const RdtGroup& group) {
  TRY_ASSIGN(const std::string all_text, sys::read_file(resctrl.root + "/schemata", kFileLimit));
  TRY_ASSIGN(const std::string own_text, sys::read_file(group.path + "/schemata", kFileLimit));
  const std::vector<std::string> all = lines_of(all_text);
  const std::vector<std::string> own = lines_of(own_text);
  Members out;
  if (sys::exists(resctrl.root + "/info/L3")) {
    TRY_ASSIGN(const std::string info, info_json(resctrl.root + "/info/L3", {"cbm_mask", "min_cbm_bits", "num_closids"}));
    out.put("l3_cache_info", info);
    put_line(out, "l3_cache_schema_root", all, "L3");
    put_line(out, "l3_cache_schema", own, "L3");
  }
  if (sys::exists(resctrl.root + "/info/MB")) {
    TRY_ASSIGN(const std::string info,
               info_json(resctrl.root + "/info/MB", {"bandwidth_gran", "delay_linear", "min_bandwidth", "num_closids"}));
    out.put("mem_bw_info", info);
    put_line(out, "mem_bw_schema_root", all, "MB");
    put_line(out, "mem_bw_schema", own, "MB");
  }
  std::string lines;
  for (const std::string& line : own) {
    if (!lines.empty()) lines += ',';
    oci::json::append_quoted(lines, line);
  }
  out.put("schemata", "[" + lines + "]");
  const Features features = features_of(resctrl);
  if (features.total || features.local || features.occupancy)
    TRY(put_monitoring(out, features, (group.monitoring.empty() ? group.path : group.monitoring) + "/mon_data"));
  return out.object();
}

}  // namespace slipway::runtime::command
