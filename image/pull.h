// From a reference to an installed image: resolve, choose the platform, check who signed it, fetch.
#pragma once

#include "base/result.h"
#include "image/install.h"
#include "image/signatures.h"

namespace slipway::image {

// Errors keep their codes: unavailable (network), not_found (no such image or platform), unauthenticated, data_loss (digests), aborted
// (what is demanded of its signatures), …
Result<Outcome> pull(const Request& request, const Demands& demands, Reporter& reporter);

}  // namespace slipway::image
