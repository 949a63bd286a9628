// fmt as slipway uses it: header-only, so that the static programs link nothing for it.
#pragma once

#ifndef FMT_HEADER_ONLY
#define FMT_HEADER_ONLY 1
#endif
// Else fmt asks std::locale, which brings the C++ library's streams and facets with it: 400 KB of each static program.
#ifndef FMT_STATIC_THOUSANDS_SEPARATOR
#define FMT_STATIC_THOUSANDS_SEPARATOR ','
#endif
#include <fmt/core.h>
#include <fmt/format.h>
