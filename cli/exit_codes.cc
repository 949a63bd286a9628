// How slipctl ends when something went wrong.
#include <unistd.h>

#include <cerrno>

#include "cli/verbs.h"

namespace slipway::cli {

void report(const Error& error) {
  (void)print_to(STDERR_FILENO, fmt::format("slipctl: {}\n", error.message));
}

int report(const Error& error, int code) {
  report(error);
  return code;
}

int exit_code_of_start(const Error& error) {
  const std::string& text = error.message;
  if (text.find("exec '") == std::string::npos) return kExitSlipway;
  // runtime/launch_plan.cc words it so for all callers of OCI runtimes; gRPC's code alone may speak of something else.
  const bool absent = text.ends_with("No such file or directory") || text.ends_with("executable file not found in $PATH");
  return absent ? kExitNotFound : kExitCannotExecute;
}

}  // namespace slipway::cli
