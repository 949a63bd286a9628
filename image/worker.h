// Starts slipway-image for one request and listens to it. Thread-safe; a call blocks until the worker has gone.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/ports.h"
#include "image/worker_protocol.h"

namespace slipway::image {

struct WorkerProgram {
  std::string path;                      // of slipway-image
  std::vector<std::string> environment;  // nothing is inherited; "https_proxy=…" where the node needs one
};

// Readable = the worker is to end: it is killed then.
struct WorkerStops {
  FdRef store;   // all workers
  FdRef caller;  // this one
};

// The worker's result, or its error with its code; `cancelled` when it was stopped. A worker that dies without a word, says too much or
// nonsense is `internal`.
Result<Outcome> run_worker(const WorkerProgram& program, const Request& request, const engine::OnProgress& on_progress, WorkerStops stops);

}  // namespace slipway::image
