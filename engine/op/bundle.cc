// Writing, reading and removing a bundle's files.
#include "engine/op/bundle.h"

#include <fcntl.h>

#include "base/fault.h"
#include "oci/parse.h"
#include "oci/seccomp_default.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kProcess = "process.json";       // what exec starts from
constexpr const char* kRequest = "request";            // a serialised CreateContainer
constexpr std::size_t kRequestLimit = 64 * 1024 - 64;  // a packet to the monitor without its envelope (monitor/link.h)

Result<void> write_new(FdRef dir, const char* name, std::string_view text) {
  TRY(fault::point("write a new bundle's file"));
  TRY_ASSIGN(const UniqueFd fd, sys::open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(sys::write_all(fd, text).context("'{}'", name));
  fault::moment("a new bundle's file is written");
  return {};
}

}  // namespace

Result<void> make_bundle(const std::string& bundle, const PlannedSpec& planned, const monitor::CreateContainer& request) {
  const std::string packet = request.SerializeAsString();
  if (packet.size() > kRequestLimit)
    return fail(Code::invalid_argument, "layers, volumes and image mounts take {} bytes to tell the monitor, more than {}", packet.size(),
                kRequestLimit);
  TRY(sys::make_directories(bundle, 0700));
  TRY_ASSIGN(const UniqueFd dir, sys::open_path(bundle, O_RDONLY | O_DIRECTORY));
  TRY(write_new(dir, kConfig, oci::write_spec(planned.spec, planned.profile_text())));
  TRY(write_new(dir, kProcess, oci::write_process(*planned.spec.process)));
  return write_new(dir, kRequest, packet);
}

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
