// Images out of an OCI image layout (directory or archive) or of what `docker save` writes.
#pragma once

#include "base/result.h"
#include "image/install.h"

namespace slipway::image {

// request.path is absolute; request.reference names the image where the archive holds one.
Result<Outcome> load(const Request& request, Reporter& reporter);

}  // namespace slipway::image
