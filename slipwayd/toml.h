// toml++ as every file here includes it: without exceptions.
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include <toml++/toml.h>
