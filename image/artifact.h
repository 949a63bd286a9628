// OCI artifacts as images: manifests whose layers are files of any kind (models, policies, configuration), to be mounted as volumes.
//
// Each layer is one file, named by its annotation org.opencontainers.image.title (image-spec annotations.md), or by its digest where it has
// none; a title may hold directories. There is no configuration to run anything by. The id is the manifest's digest: many artifacts share
// one empty configuration.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "image/inflate.h"
#include "image/install.h"
#include "oci/image_spec.h"

namespace slipway::image {

bool is_artifact(const oci::Manifest& manifest);

Result<ImagePlan> plan_artifact(const oci::Manifest& manifest, const std::string& manifest_text);

// Gives a file's bytes to the unpacker as the tar of that file alone: names, limits and room are looked after there.
std::unique_ptr<Inflater> make_file_wrapper(std::string path, std::uint64_t size, PipeWriter& out);

}  // namespace slipway::image
