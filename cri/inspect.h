// Records as JSON text: for `slipctl inspect` and for the verbose `info` of Status calls.
#pragma once

#include <string>

#include "engine/engine.h"

namespace slipway::cri {

// Verbose status is what monitoring collects: variables' values are left out there, since they may be secrets.
enum class Secrets { hide, show };

std::string to_json(const engine::PodRecord& pod);
std::string to_json(const engine::ContainerRecord& container, Secrets secrets);
std::string to_json(const engine::ImageRecord& image);

}  // namespace slipway::cri
