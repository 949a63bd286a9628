// Writing, reading and removing a bundle's files.
#include "engine/op/bundle.h"

#include <fcntl.h>

#include "oci/parse.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kProcess = "process.json";       // what exec starts from
constexpr const char* kRequest = "request";            // a serialised CreateContainer
constexpr std::size_t kRequestLimit = 64 * 1024 - 64;  // a packet to the monitor without its envelope (monitor/link.h)

}  // namespace

Result<void> write_specs(const std::string& bundle, const oci::Spec& spec) {
  TRY_ASSIGN(const UniqueFd dir, sys::open_path(bundle, O_RDONLY | O_DIRECTORY));
  TRY(sys::replace_file(dir, kConfig, oci::write_spec(spec), 0600));
  return sys::replace_file(dir, kProcess, oci::write_process(*spec.process), 0600);
}

Result<oci::Spec> read_config(const std::string& bundle) {
  const std::string path = bundle + "/" + kConfig;
  TRY_ASSIGN(const std::string json, sys::read_file(path, oci::kMaxDocument));
  return oci::parse_spec(json).context("{}", path);
}

Result<void> keep_request(const std::string& bundle, const monitor::CreateContainer& request) {
  const std::string text = request.SerializeAsString();
  if (text.size() > kRequestLimit)
    return fail(Code::invalid_argument, "layers, volumes and image mounts take {} bytes to tell the monitor, more than {}", text.size(),
                kRequestLimit);
  TRY_ASSIGN(const UniqueFd dir, sys::open_path(bundle, O_RDONLY | O_DIRECTORY));
  return sys::replace_file(dir, kRequest, text, 0600);
}

Result<monitor::CreateContainer> kept_request(const std::string& bundle) {
  const std::string path = bundle + "/" + kRequest;
  TRY_ASSIGN(const std::string text, sys::read_file(path, kRequestLimit));
  monitor::CreateContainer request;
  if (!request.ParseFromString(text)) return fail(Code::data_loss, "'{}' is no request to a monitor", path);
  return request;
}

Result<void> remove_bundle(const PodPaths& paths, const std::string& container_id) {
  auto bundles = sys::open_path(paths.directory + "/containers", O_RDONLY | O_DIRECTORY);
  if (!bundles.ok()) return bundles.error().code == Code::not_found ? Result<void>{} : Result<void>(std::move(bundles).error());
  return sys::remove_tree(bundles.value(), container_id);
}

}  // namespace slipway::engine
