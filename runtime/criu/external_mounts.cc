// A container's mount table, sorted into its own and the host's.
#include "runtime/criu/external_mounts.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "runtime/paths.h"
#include "sys/file.h"

namespace slipway::runtime::criu {
namespace {

using Device = std::pair<unsigned, unsigned>;

// Made anew for each container, although the kernel keeps one superblock of some for all.
constexpr std::string_view kOwnKinds[] = {"proc", "sysfs", "devpts", "mqueue", "cgroup2"};

Device device_of(const sys::MountLine& line) {
  return {line.major, line.minor};
}

class Sorter {
 public:
  Sorter(const MountPlan& plan, const MountFacts& facts) : plan_(plan), facts_(facts) {
    for (const sys::MountLine& line : facts.container) by_id_[line.id] = &line;
    for (const sys::MountLine& line : facts.host) {
      on_host_.insert(device_of(line));
      if (line.point == "/dev") dev_ = device_of(line);
    }
    for (const sys::MountLine& line : facts.container) {
      if (line.point == "/" && by_id_.find(line.parent) == by_id_.end()) root_ = &line;
    }
  }

  Result<std::vector<ExternalMount>> sort() {
    if (root_ == nullptr) return fail(Code::internal, "the container's mount table has no root");
    TRY(find_planned());
    std::vector<ExternalMount> out;
    for (const sys::MountLine& line : facts_.container) {
      auto external = judge(line);
      if (!external) continue;
      if (line.point.find(']') != std::string::npos)
        return fail(Code::unimplemented, "mount point '{}': criu cannot be told of one with a ']' in its name", line.point);
      out.push_back(*std::move(external));
    }
    return out;
  }

 private:
  Result<void> find_planned() {
    for (const PlannedMount& planned : plan_.mounts) {
      TRY_ASSIGN(const std::uint64_t id, find(planned.target));
      if (id != 0 && id != root_->id) planned_.emplace(id, &planned);
    }
    return {};
  }

  // As it is written, or where links lead. Of several over each other the one to be seen has none on it; their order says nothing (ADR 34).
  Result<std::uint64_t> find(const std::string& target) {
    std::vector<std::uint64_t> there;
    std::set<std::uint64_t> covered;
    for (const sys::MountLine& line : facts_.container) {
      if (line.point != "/" + target) continue;
      there.push_back(line.id);
      covered.insert(line.parent);
    }
    for (const std::uint64_t id : there) {
      if (covered.count(id) == 0) return id;
    }
    auto id = facts_.mount_at(target);
    if (!id.ok() && id.error().code == Code::not_found) return std::uint64_t{0};  // the container took it away
    return id;
  }

  // The mount of config.json that it is or lies in; nullptr: the root.
  // Kept for all on the way: a container may have stacked 100,000 of them.
  const sys::MountLine* owner(const sys::MountLine& line) {
    std::vector<std::uint64_t> way;
    const sys::MountLine* out = nullptr;
    for (const sys::MountLine* at = &line; way.size() <= by_id_.size();) {
      out = planned_.find(at->id) != planned_.end() ? at : nullptr;
      if (out != nullptr) break;
      if (const auto known = owners_.find(at->id); known != owners_.end()) {
        out = known->second;
        break;
      }
      way.push_back(at->id);
      const auto parent = by_id_.find(at->parent);
      if (parent == by_id_.end() || parent->second == at) break;
      at = parent->second;
    }
    for (const std::uint64_t id : way) owners_[id] = out;
    return out;
  }

  std::optional<ExternalMount> judge(const sys::MountLine& line) {
    if (&line == root_) return std::nullopt;
    const sys::MountLine* own = owner(line);
    const PlannedMount* planned = own == nullptr ? nullptr : planned_.find(own->id)->second;
    if (own == &line && planned->maker == Maker::bind) return ExternalMount{line.point, Source::bind, "/" + planned->target, ""};
    if (own == &line && planned->maker == Maker::cgroup_bind) return ExternalMount{line.point, Source::cgroup, "", ""};
    if (own == &line) return std::nullopt;
    // A mask over a file is the host's /dev/null.
    if (dev_ && device_of(line) == *dev_ && line.root != "/") return ExternalMount{line.point, Source::device, "/dev" + line.root, ""};
    if (on_host_.find(device_of(line)) == on_host_.end() || is_in_root(line)) return std::nullopt;
    if (planned != nullptr && planned->maker == Maker::bind)
      return ExternalMount{line.point, Source::bind, "/" + planned->target, clean_in_root(line.point.substr(own->point.size()))};
    if (planned != nullptr || std::ranges::find(kOwnKinds, line.type) != std::end(kOwnKinds)) return std::nullopt;
    return ExternalMount{line.point, Source::root, "", clean_in_root(line.point)};
  }

  // A bind of something of the root itself, which a container with the privilege may make.
  bool is_in_root(const sys::MountLine& line) const {
    return device_of(line) == device_of(*root_) && is_at_or_beneath(line.root, root_->root == "/" ? "" : root_->root);
  }

  const MountPlan& plan_;
  const MountFacts& facts_;
  std::map<std::uint64_t, const sys::MountLine*> by_id_;
  std::map<std::uint64_t, const PlannedMount*> planned_;
  std::map<std::uint64_t, const sys::MountLine*> owners_;
  std::set<Device> on_host_;
  std::optional<Device> dev_;
  const sys::MountLine* root_ = nullptr;
};

}  // namespace

Result<std::vector<ExternalMount>> find_external_mounts(const MountPlan& plan, const MountFacts& facts) {
  return Sorter(plan, facts).sort();
}

Result<MountFacts> read_mount_facts(pid_t pid) {
  MountFacts facts;
  TRY_ASSIGN(facts.container, sys::read_mountinfo(fmt::format("/proc/{}/mountinfo", pid)));
  TRY_ASSIGN(facts.host, sys::read_mountinfo("/proc/self/mountinfo"));
  TRY_ASSIGN(UniqueFd root, sys::open_path(fmt::format("/proc/{}/root", pid), O_PATH | O_DIRECTORY));
  facts.mount_at = [root = std::make_shared<UniqueFd>(std::move(root))](const std::string& target) -> Result<std::uint64_t> {
    TRY_ASSIGN(const UniqueFd object, sys::open_in_root(*root, target, O_PATH));
    return sys::mount_id(object);
  };
  return facts;
}

}  // namespace slipway::runtime::criu
