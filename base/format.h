// fmt as slipway uses it: header-only, so that the static programs link nothing for it.
#pragma once

#ifndef FMT_HEADER_ONLY
#define FMT_HEADER_ONLY 1
#endif
#include <fmt/core.h>
#include <fmt/format.h>
