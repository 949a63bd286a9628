// fmt as slipway uses it: its implementation is compiled once, in base/format.cc, so that the static programs link nothing for it.
#pragma once

// Else fmt asks std::locale, which brings the C++ library's streams and facets with it: 400 KB of each static program.
#ifndef FMT_STATIC_THOUSANDS_SEPARATOR
#define FMT_STATIC_THOUSANDS_SEPARATOR ','
#endif
#include <fmt/core.h>
