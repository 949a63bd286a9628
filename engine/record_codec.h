// Records as JSON text: the column of the store, and what `slipctl inspect` shows.
//
// A field that is missing has its default, an unknown one is ignored: a record written by an older or newer slipwayd is read.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/types.h"

namespace slipway::engine {

std::string to_json(const PodRecord& record);
std::string to_json(const ContainerRecord& record);
std::string to_json(const ImageRecord& record);
Result<PodRecord> pod_from_json(std::string_view text);  // data_loss when it cannot be read
Result<ContainerRecord> container_from_json(std::string_view text);

}  // namespace slipway::engine
