// From a reference to an installed image: resolve, choose the platform, fetch.
#pragma once

#include "base/result.h"
#include "image/install.h"

namespace slipway::image {

// Errors keep their codes: unavailable (network), not_found (no such image or platform), unauthenticated, data_loss (digests), …
Result<Outcome> pull(const Request& request, Reporter& reporter);

}  // namespace slipway::image
