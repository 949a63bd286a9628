// Finding CDI devices in files, and looking at the host's nodes.
#include "engine/cdi.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "engine/yaml.h"
#include "oci/cdi.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kMaxFile = 4 << 20, kMaxFiles = 1024;

struct CdiFile {
  std::string path;
  std::size_t directory = 0;  // its place among them: a later one's counts
  oci::CdiSpec spec;
};

struct CdiFiles {
  std::vector<CdiFile> files;
  std::string complaints;  // "; PATH: why"
};

bool is_cdi_file(const std::string& name) {
  return name.ends_with(".json") || name.ends_with(".yaml") || name.ends_with(".yml");
}

Result<oci::CdiSpec> read_spec(const std::string& path) {
  TRY_ASSIGN(std::string text, sys::read_file(path, kMaxFile));
  if (!path.ends_with(".json")) {
    TRY_ASSIGN(text, yaml_to_json(text));
  }
  return oci::parse_cdi(text);
}

// A file that cannot be read concerns those alone whose device is nowhere else.
Result<CdiFiles> read_files(const std::vector<std::string>& directories) {
  CdiFiles out;
  for (std::size_t i = 0; i < directories.size(); ++i) {
    const auto directory = sys::open_path(directories[i], O_RDONLY | O_DIRECTORY);
    if (!directory.ok() && directory.error().code == Code::not_found) continue;
    if (!directory.ok()) return directory.error();
    TRY_ASSIGN(std::vector<std::string> names, sys::list_directory(directory.value(), kMaxFiles));
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (!is_cdi_file(name)) continue;
      const std::string path = directories[i] + "/" + name;
      auto spec = read_spec(path);
      if (spec.ok()) {
        out.files.push_back({path, i, std::move(spec).take()});
      } else {
        out.complaints += fmt::format("; {}: {}", path, spec.error().message);
      }
    }
  }
  return out;
}

Result<const CdiFile*> find_device(const CdiFiles& files, const oci::CdiName& name, const std::string& asked) {
  const CdiFile *found = nullptr, *beside = nullptr;  // the files are in the order of their directories
  for (const CdiFile& file : files.files) {
    if (file.spec.kind != name.kind || !file.spec.devices.contains(name.device)) continue;
    beside = found != nullptr && found->directory == file.directory ? found : nullptr;
    found = &file;
  }
  if (beside != nullptr)
    return fail(Code::failed_precondition, "CDI device '{}': both {} and {} have it", asked, beside->path, found->path);
  if (found == nullptr) return fail(Code::not_found, "CDI device '{}': no file has it{}", asked, files.complaints);
  return found;
}

Result<ResolvedDevice> resolve_node(const oci::CdiDeviceNode& node) {
  ResolvedDevice out;
  out.device.path = node.path;
  out.device.type = node.type == "u" ? std::string("c") : node.type;  // the kernel makes the same of both, and rules know no "u"
  out.device.major = node.major;
  out.device.minor = node.minor;
  out.device.file_mode = node.file_mode;
  out.device.uid = node.uid;
  out.device.gid = node.gid;
  out.access = node.permissions.empty() ? "rwm" : node.permissions == "none" ? "" : node.permissions;
  const bool device = node.type != "p";
  if (!device || (!node.type.empty() && (node.major != 0 || node.minor != 0))) return out;
  const std::string& host = node.host_path.empty() ? node.path : node.host_path;
  struct stat st {};
  if (::stat(host.c_str(), &st) != 0) return fail_errno(errno, "deviceNodes: '{}'", host);
  const char* const type = S_ISCHR(st.st_mode) ? "c" : S_ISBLK(st.st_mode) ? "b" : S_ISFIFO(st.st_mode) ? "p" : "";
  const bool same = node.type.empty() || node.type == type || (node.type == "u" && type[0] == 'c');
  if (type[0] == '\0' || !same) return fail(Code::invalid_argument, "deviceNodes: '{}' is no device of type '{}'", host, node.type);
  out.device.type = std::string(type);  // g++ 12 takes a short literal for an overlap
  out.device.major = static_cast<std::int64_t>(major(st.st_rdev));
  out.device.minor = static_cast<std::int64_t>(minor(st.st_rdev));
  return out;
}

oci::Mount to_mount(const oci::CdiMount& from) {
  oci::Mount out;
  out.destination = from.container_path;
  out.source = from.host_path;
  out.type = from.type.empty() ? "bind" : from.type;
  out.options = from.options;
  const bool binds =
      std::any_of(out.options.begin(), out.options.end(), [](const auto& option) { return option == "bind" || option == "rbind"; });
  if (out.type == "bind" && !binds) out.options.emplace_back("rbind");
  return out;
}

void add_hook(const oci::CdiHook& from, oci::Hooks& out) {
  std::vector<oci::Hook>* list = &out.prestart;
  if (from.name == "createRuntime") list = &out.create_runtime;
  if (from.name == "createContainer") list = &out.create_container;
  if (from.name == "startContainer") list = &out.start_container;
  if (from.name == "poststart") list = &out.poststart;
  if (from.name == "poststop") list = &out.poststop;
  list->push_back(from.hook);
}

Result<void> add_edits(const oci::CdiEdits& edits, CdiChanges& out) {
  if (!edits.unsupported.empty()) return fail(Code::unimplemented, "slipway cannot do its '{}'", edits.unsupported.front());
  out.env.insert(out.env.end(), edits.env.begin(), edits.env.end());
  for (const oci::CdiDeviceNode& node : edits.device_nodes) {
    TRY_ASSIGN(ResolvedDevice device, resolve_node(node));
    out.devices.push_back(std::move(device));
  }
  std::transform(edits.mounts.begin(), edits.mounts.end(), std::back_inserter(out.mounts), to_mount);
  for (const oci::CdiHook& hook : edits.hooks) add_hook(hook, out.hooks);
  std::copy_if(edits.additional_gids.begin(), edits.additional_gids.end(), std::back_inserter(out.additional_gids),
               [](std::uint32_t gid) { return gid != 0; });
  return {};
}

}  // namespace

Result<CdiChanges> resolve_cdi(const std::vector<std::string>& names, const std::vector<std::string>& directories) {
  CdiChanges out;
  if (names.empty()) return out;
  TRY_ASSIGN(const CdiFiles files, read_files(directories));
  std::set<std::string> done;
  std::set<const CdiFile*> used;  // whose own edits are in
  for (const std::string& asked : names) {
    TRY_ASSIGN(const oci::CdiName name, oci::parse_cdi_name(asked));
    if (!done.insert(asked).second) continue;
    TRY_ASSIGN(const CdiFile* file, find_device(files, name, asked));
    if (used.insert(file).second) TRY(add_edits(file->spec.edits, out).context("CDI device '{}': {}", asked, file->path));
    TRY(add_edits(file->spec.devices.at(name.device), out).context("CDI device '{}': {}", asked, file->path));
  }
  return out;
}

}  // namespace slipway::engine
