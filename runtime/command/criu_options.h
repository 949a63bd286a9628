// The flags that `checkpoint` and `restore` share, and the directories they name.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/command/command.h"
#include "runtime/criu/dump.h"

namespace slipway::runtime::command {

// --tcp-established, --ext-unix-sk, --shell-job, --file-locks, --manage-cgroups-mode, --empty-ns, --auto-dedup, …; --lazy-pages and what
// belongs to it are refused by name. An own network is empty where hooks made it: they make it again.
Result<criu::Options> criu_options(const Arguments& arguments, const oci::Spec& spec);

// --criu here or among the global flags, else PATH.
Result<std::string> criu_program(const Global& global, const Arguments& arguments);

struct CriuDirectories {
  UniqueFd images, work;
  criu::Directories paths;
};

// `make`: --image-path is made where it is absent; --work-path always.
Result<CriuDirectories> open_criu_directories(const Arguments& arguments, bool make);

// A directory for the time of the operation, in the container's own; its end removes it.
class Scratch {
 public:
  static Result<Scratch> make(const Global& global, const std::string& id);
  Scratch(Scratch&&) = default;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();
  const std::string& path() const { return path_; }

 private:
  Scratch(UniqueFd parent, std::string path) : parent_(std::move(parent)), path_(std::move(path)) {}
  UniqueFd parent_;
  std::string path_;
};

}  // namespace slipway::runtime::command
