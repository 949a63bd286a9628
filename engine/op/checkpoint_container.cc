// CheckpointContainer: the monitor's fork dumps and packs into a nameless file, which gets its name when it is whole.
#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "engine/op/ops.h"
#include "engine/told.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr std::chrono::seconds kUsualTime{120};
constexpr std::chrono::seconds kLongestTime{3600};
constexpr std::chrono::seconds kPackingTime{660};

// Where the archive goes. Without a name until it is whole: whatever ends this process leaves nothing.
struct Place {
  UniqueFd directory, file;
  std::string name;
};

Result<Place> open_place(const std::string& location) {
  const std::size_t slash = location.rfind('/');
  if (location.empty() || location[0] != '/' || location.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "location: '{}' is not an absolute path", location);
  Place place;
  place.name = location.substr(slash + 1);
  if (place.name.empty() || place.name == "." || place.name == "..")
    return fail(Code::invalid_argument, "location: '{}' is no name of a file", location);
  const std::string above = slash == 0 ? "/" : location.substr(0, slash);
  TRY_ASSIGN(place.directory, sys::open_path(above, O_RDONLY | O_DIRECTORY).context("location"));
  TRY_ASSIGN(place.file, sys::open_at(place.directory, ".", O_RDWR | O_TMPFILE, 0600).context("location: a nameless file in '{}'", above));
  return place;
}

Result<void> give_name(const Place& place) {
  const std::string from = fmt::format("/proc/self/fd/{}", place.file.get());
  if (::linkat(AT_FDCWD, from.c_str(), place.directory.get(), place.name.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  if (errno != EEXIST) return fail_errno(errno, "location: name the archive '{}'", place.name);
  const std::string other = ".slipway-" + make_id().substr(0, 16);
  if (::linkat(AT_FDCWD, from.c_str(), place.directory.get(), other.c_str(), AT_SYMLINK_FOLLOW) != 0)
    return fail_errno(errno, "location: name the archive '{}'", other);
  if (::renameat(place.directory.get(), other.c_str(), place.directory.get(), place.name.c_str()) == 0) return {};
  const int why = errno;
  (void)::unlinkat(place.directory.get(), other.c_str(), 0);
  return fail_errno(why, "location: replace '{}'", place.name);
}

// What tools for such archives show; the names are podman's.
std::string config_dump(const Context& context, const ContainerRecord& record) {
  const auto image = context.images->find(record.image_id);
  std::string reference = record.image_id;
  if (image.ok() && !image.value().repo_digests.empty()) reference = image.value().repo_digests[0];
  const std::string& written = written_image(record.spec);
  const nlohmann::json out{{"id", record.id},
                           {"name", record.spec.metadata.name},
                           {"rootfsImage", written},
                           {"rootfsImageRef", reference},
                           {"rootfsImageName", image.ok() && !image.value().repo_tags.empty() ? image.value().repo_tags[0] : written},
                           {"runtime", "slipway"},
                           {"createdTime", to_rfc3339(record.created_at)},
                           {"checkpointedTime", to_rfc3339(now_realtime())}};
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<void> checkpoint(Context& context, const ContainerRecord& record, const std::string& location, std::chrono::seconds timeout) {
  if (!record.runtime.binary.empty())
    return fail(Code::unimplemented, "it is a container of '{}': only slipway's own are checkpointed", record.runtime.binary);
  if (record.state != ContainerState::running) return fail(Code::failed_precondition, "it is not running");
  const std::chrono::seconds most = std::min(timeout.count() == 0 ? kUsualTime : timeout, kLongestTime);
  TRY_ASSIGN(const Place place, open_place(location));
  TRY_ASSIGN(const RootLayers root, context.images->root_of(record.id));
  TRY_ASSIGN(const auto client, context.monitors.find(record.pod_id));
  monitor::Request request;
  monitor::Checkpoint& ask = *request.mutable_checkpoint();
  ask.set_id(record.id);
  for (const std::string& lower : root.lower) ask.mutable_rootfs()->add_lower(lower);
  ask.mutable_rootfs()->set_upper(root.upper);
  // Beside the writable layer: on a disk, and gone with the container at the latest.
  ask.set_scratch(root.upper.substr(0, root.upper.rfind('/')) + "/checkpoint");
  ask.set_config_dump(config_dump(context, record));
  ask.set_timeout_ms(std::chrono::milliseconds(most).count());
  ask.set_criu(context.options.criu_program);
  const int file = place.file.get();
  TRY(client->call(std::move(request), {&file, 1}, most + kPackingTime));
  return give_name(place);
}

}  // namespace

// No lock of the pod: minutes may pass, and a stop or an exec need not wait. The monitor makes one checkpoint of a container at a time.
Result<void> checkpoint_container(Context& context, const std::string& id, const std::string& location, std::chrono::seconds timeout) {
  const MonotonicNanos begun = now_monotonic();
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  TRY(checkpoint(context, *record, location, timeout).context("checkpoint container '{}'", id));
  tell_container("container checkpointed", *record, begun);
  return {};
}

}  // namespace slipway::engine
