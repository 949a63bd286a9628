// From what a person types to a pod or container: a name, a full id or the beginning of one.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cri/v1/api.pb.h"

namespace slipway::cli {

namespace v1 = ::runtime::v1;

enum class Kind { pod, container };

struct Target {
  Kind kind = Kind::pod;
  std::string id, name, pod_id;
  bool live = false;  // a ready pod, a running container
};

std::vector<Target> targets_of(const v1::ListPodSandboxResponse& pods, const v1::ListContainersResponse& containers);

// Names and full ids come before beginnings of ids; of several with one name the only live one is meant; a pod comes before its own
// container of the same name. What stays ambiguous is invalid_argument and names its matches.
Result<Target> find_target(const std::vector<Target>& all, const std::string& asked);
// As above, but a pod stands for its container where it has only one.
Result<Target> find_container(const std::vector<Target>& all, const std::string& asked);

}  // namespace slipway::cli
