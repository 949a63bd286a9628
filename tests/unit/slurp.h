// A file's whole text; empty where there is none.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace slipway::test {

inline std::string slurp(const std::string& path) {
  const std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace slipway::test
