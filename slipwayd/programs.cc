// The search for sibling programs.
#include "slipwayd/programs.h"

#include <unistd.h>

#include <climits>
#include <vector>

namespace slipway::daemon {

Result<std::string> find_program(const std::string& name, const std::string& configured) {
  std::vector<std::string> places;
  if (!configured.empty()) {
    places.push_back(configured);
  } else {
    char self[PATH_MAX];
    const auto length = ::readlink("/proc/self/exe", self, sizeof self);
    if (length <= 0 || length == sizeof self) return fail_errno(errno, "find slipwayd's own file");
    std::string directory(self, static_cast<std::size_t>(length));
    directory.resize(directory.rfind('/'));
    places = {directory + "/" + name, directory + "/../libexec/slipway/" + name};
  }
  std::string tried;
  for (const auto& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place;
    tried += (tried.empty() ? "" : ", ") + place;
  }
  return fail(Code::not_found, "program {}: no executable file at {}", name, tried);
}

}  // namespace slipway::daemon
