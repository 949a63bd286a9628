// The image store of slipwayd: records, which layers exist and who uses them, pulls in flight.
//
// It never touches a registry's or an archive's bytes: slipway-image does, one process for each pull or load.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/ports.h"
#include "image/worker_protocol.h"

namespace slipway::image {

struct StoreOptions {
  std::string root;                              // absolute; made 0700
  std::string worker_program;                    // of slipway-image
  std::vector<std::string> insecure_registries;  // host[:port]: plain HTTP and unverified certificates allowed
  std::string ca_file;                           // trusted beside the system's authorities; empty = none
  std::string signature_policy;                  // a file that says what may be pulled, read for each pull; empty = everything
  std::vector<std::string> worker_environment;   // "https_proxy=…", "no_proxy=…"; else the worker has none
  Limits limits;
};

// Removes what a crash left, drops records whose layers are not all there (logged), and is ready. One per root at a time. Destroying it
// kills pulls in flight and waits for their callers to leave.
Result<std::unique_ptr<engine::Images>> open_store(StoreOptions options);

}  // namespace slipway::image
