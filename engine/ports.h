// What the engine needs of other rooms, as interfaces: images and the network implement them, tests fake them.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

namespace slipway::engine {

struct Progress {
  std::string stage;  // "resolve", "verify" (signatures), "download", "unpack", "present" (a layer that was here), "commit", "done"
  std::string what;
  std::uint64_t done = 0, total = 0;
};
using OnProgress = std::function<void(const Progress&)>;

struct RegistryAuth {
  std::string username, password, auth, server_address, identity_token, registry_token;
};

struct FsUsage {
  UnixNanos timestamp = 0;
  std::string mountpoint;
  std::uint64_t used_bytes = 0, inodes_used = 0;
  std::uint64_t limit_bytes = 0, inodes_total = 0, inodes_free = 0;  // of the file system it is on; of a container's layer alone
};

// Where a container's root comes from: layers of the store, topmost first, and its own writable directory.
struct RootLayers {
  std::vector<std::string> lower;  // absolute directories
  std::string upper, work;         // made empty by prepare_root
};

// The image store. Thread-safe; calls block. Records are durable when a call returns.
class Images {
 public:
  virtual ~Images() = default;
  // Fetches and unpacks; the record of what the reference now means. Joins a pull of the same reference in flight. `gone`: the caller does
  // not want it any more. It is then told `cancelled` at once; the work itself ends when the last of its callers has gone. `aborted`: the
  // node's signature policy does not let it in.
  virtual Result<ImageRecord> pull(const std::string& reference, const RegistryAuth& auth, const OnProgress& progress,
                                   const std::stop_token& gone) = 0;
  virtual Result<std::vector<ImageRecord>> load(const std::string& path, const std::string& name, const OnProgress& progress,
                                                const std::stop_token& gone) = 0;
  // By id (with or without "sha256:", also a unique prefix of ≥ 12), tag or digest reference. not_found when absent.
  virtual Result<ImageRecord> find(const std::string& reference) const = 0;
  virtual std::vector<ImageRecord> list() const = 0;
  // Removes the image with all its names; layers nobody uses go too. Absent = ok. In use by a container: layers stay until it goes.
  virtual Result<void> remove(const std::string& reference) = 0;
  // Makes the writable directories of a container beneath the store; idempotent per container id.
  virtual Result<RootLayers> prepare_root(const ImageRecord& image, const std::string& container_id) = 0;
  // The layers of a further image, topmost first, absolute: they stay as long as the container's root does, which is there already.
  virtual Result<std::vector<std::string>> hold(const ImageRecord& image, const std::string& container_id) = 0;
  // Of a container that has a root: what prepare_root told, without further layers. not_found otherwise.
  virtual Result<RootLayers> root_of(const std::string& container_id) const = 0;
  virtual Result<void> remove_root(const std::string& container_id) = 0;
  virtual std::vector<std::string> roots() const = 0;  // container ids that have one: for recovery
  // Reads a file of the image (etc/passwd, etc/group) through its layers, bounded; not_found when absent.
  virtual Result<std::string> read_file(const ImageRecord& image, const std::string& path, std::size_t limit) const = 0;
  // That a directory or a regular file is there, links followed within the image: else not_found, failed_precondition, resource_exhausted.
  virtual Result<void> check_path(const ImageRecord& image, const std::string& path) const = 0;
  virtual Result<FsUsage> usage() const = 0;
  virtual Result<FsUsage> root_usage(const std::string& container_id) const = 0;
};

struct NetworkRequest {
  std::string pod_id, netns, name, namespace_, uid;
  std::vector<PortMapping> port_mappings;
  Annotations annotations;
};

struct NetworkResult {
  std::vector<std::string> ips;
  std::string cached;  // opaque; given to detach
};

// CNI. Thread-safe; calls block for as long as the plugins take (bounded by a time-out).
class Network {
 public:
  virtual ~Network() = default;
  virtual Result<NetworkResult> attach(const NetworkRequest& request) = 0;
  virtual Result<void> detach(const NetworkRequest& request, const std::string& cached) = 0;  // idempotent
  // Pods whose attach was begun and whose detach has not succeeded. It is on the disk before attach calls anybody: known also where a loss
  // of power took the pod's record.
  virtual Result<std::vector<std::string>> owed() const = 0;
  virtual Result<void> detach_owed(const std::string& pod_id) = 0;  // by what attach kept; idempotent
  // Frees what a loss of power left taken without an owner, so that no detach finds it. At any time.
  virtual Result<void> reclaim() = 0;
  virtual Condition ready() const = 0;
  // The node's pod networks ("10.1.0.0/24,fd00::/64"), for a configuration that is made from them.
  virtual Result<void> set_pod_cidrs(const std::string& cidrs) = 0;
};

}  // namespace slipway::engine
