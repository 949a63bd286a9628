// config.json's annotations org.systemd.property.NAME: properties that a caller wants the container's unit to have. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cgroups/unit_properties.h"

namespace slipway::cgroups {

// Others' annotations are passed over. NAME is of letters, three at least; the value is GVariant's text (variant_text.h). A NAME that ends
// in "…Sec", as unit files have it, becomes "…USec", which is what the bus knows, and its number of seconds microseconds: as runc does it.
Result<std::vector<Property>> plan_annotated(const std::map<std::string, std::string>& annotations);

}  // namespace slipway::cgroups
