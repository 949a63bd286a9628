// The engine's cgroup port on this host's cgroup v2 tree: one call each into the cgroups room, by the path's ending to systemd.
#include "engine/host_cgroups.h"

#include "base/fault.h"
#include "base/log.h"
#include "cgroups/cgroup.h"
#include "cgroups/systemd.h"
#include "cgroups/unit_names.h"
#include "engine/cgroup_names.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr int kRemoveTimeout = 10'000;  // a killed process may hang in the kernel for a while (a slow disk)

class HostCgroups final : public Cgroups {
 public:
  explicit HostCgroups(cgroups::Root root) : root_(std::move(root)) {}

  Result<void> make(const std::string& path) override {
    TRY(fault::point("make a cgroup"));
    if (cgroups::is_slice(path)) return cgroups::start_slice(path, "slipway pod");
    if (cgroups::is_scope(path)) return {};  // made by whoever has a process for it
    TRY_ASSIGN(const cgroups::Cgroup made, cgroups::Cgroup::create(root_, path));
    return {};
  }

  Result<void> kill_and_remove(const std::string& path) override {
    TRY(fault::point("kill and remove a cgroup"));
    if (cgroups::is_unit(path)) return cgroups::kill_and_stop_unit(root_, path, kRemoveTimeout);
    return cgroups::Cgroup::kill_and_remove(root_, path, kRemoveTimeout);
  }

  Result<void> apply(const std::string& path, const oci::Resources& resources) override {
    if (cgroups::is_unit(path)) return cgroups::apply_to_unit(root_, path, resources);
    TRY_ASSIGN(const cgroups::Cgroup cgroup, cgroups::Cgroup::open(root_, path));
    return cgroup.apply(resources);
  }

  Result<void> set_oom_score(const std::string& path, int value) override {
    TRY_ASSIGN(const cgroups::Cgroup cgroup, cgroups::Cgroup::open(root_, path));
    TRY_ASSIGN(const std::vector<pid_t> pids, cgroup.processes_below());
    for (const pid_t pid : pids) {
      // The directory's descriptor is of that process for ever: a number used again would give ESRCH.
      const auto process = sys::open_path(fmt::format("/proc/{}", pid), O_RDONLY | O_DIRECTORY);
      if (!process.ok()) continue;  // ended meanwhile
      auto written = sys::write_file_at(process.value(), "oom_score_adj", std::to_string(value));
      if (!written.ok() && written.error().sys_errno != ESRCH && written.error().code != Code::not_found) return written;
    }
    return {};
  }

  Result<cgroups::Stats> stats(const std::string& path) override {
    TRY_ASSIGN(const cgroups::Cgroup cgroup, cgroups::Cgroup::open(root_, path));
    return cgroup.stats();
  }

  Result<std::vector<pid_t>> processes(const std::string& path) override {
    TRY_ASSIGN(const cgroups::Cgroup cgroup, cgroups::Cgroup::open(root_, path));
    return cgroup.processes_below();
  }

 private:
  cgroups::Root root_;
};

}  // namespace

Result<std::unique_ptr<Cgroups>> open_host_cgroups(const std::string& driver) {
  if (driver == kSystemdDriver) {
    auto systemd = cgroups::Systemd::connect();
    if (!systemd.ok()) return std::move(systemd).error().within("cgroup driver 'systemd'");
    TRY(systemd.value().version().context("cgroup driver 'systemd'"));
  }
  TRY_ASSIGN(cgroups::Root root, cgroups::open_root());
  return std::unique_ptr<Cgroups>(std::make_unique<HostCgroups>(std::move(root)));
}

}  // namespace slipway::engine
