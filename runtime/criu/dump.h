// A running container becomes a directory of images.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/container_record.h"
#include "runtime/criu/messages.h"

namespace slipway::runtime::criu {

// Where criu reads and writes; borrowed descriptors.
struct Directories {
  int images = -1;
  int work = -1;         // for its log; -1: images
  std::string log_path;  // for sentences: the directory of the log
  std::string scratch;   // absolute, empty, the caller's to remove
};

struct DumpRequest {
  std::string program;  // criu, absolute
  const ContainerRecord* record = nullptr;
  const oci::Spec* spec = nullptr;
  int pidfd = -1;  // borrowed: proves that record->pid is still the same
  Directories directories;
  Options options;              // what the user chose; the rest is filled in
  bool pre_dump = false;        // memory only
  MonotonicNanos deadline = 0;  // 0: however long it takes
};

// Afterwards the container has ended unless options.leave_running or pre_dump. On error it goes on as before.
Result<void> dump(const DumpRequest& request);

// /etc/criu/slipway.conf or runc's, or what the annotation org.criu.config says: beneath the bundle, as all relative paths of config.json.
std::string config_file_of(const oci::Spec& spec, const std::string& bundle);
}  // namespace slipway::runtime::criu
