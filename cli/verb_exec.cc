// exec: one command in a running container, its output when it has ended.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/targets.h"
#include "cli/verbs.h"

namespace slipway::cli {
namespace {

Result<Target> target_of(Session& session, const std::string& name) {
  TRY_ASSIGN(const auto pods, session.client.pods());
  TRY_ASSIGN(const auto containers, session.client.containers());
  return find_container(targets_of(pods, containers), name);
}

}  // namespace

Result<int> exec(Session& session, const ExecOptions& options) {
  if (options.interactive || options.tty)
    return fail(Code::unimplemented, "exec: slipctl has no {}; `crictl exec` has it. Without it output comes when the command has ended",
                options.interactive ? "--interactive" : "--tty");
  const auto target = target_of(session, options.name);
  if (!target.ok()) return report(target.error(), kExitSlipway);
  v1::ExecSyncRequest request;
  request.set_container_id(target.value().id);
  for (const auto& word : options.command) request.add_cmd(word);
  request.set_timeout(options.timeout);
  const auto replied = session.client.exec(request);
  if (!replied.ok()) {
    const bool timed_out = replied.error().code == Code::deadline_exceeded && options.timeout > 0;
    return report(replied.error(), timed_out ? kExitTimeout : exit_code_of_start(replied.error()));
  }
  const auto& response = replied.value();
  if (session.style.json) {
    const nlohmann::json json = {{"stdout", response.stdout()}, {"stderr", response.stderr()}, {"exit_code", response.exit_code()}};
    TRY(print(to_text(json)));
  } else {
    TRY(print_to(STDOUT_FILENO, response.stdout()));
    TRY(print_to(STDERR_FILENO, response.stderr()));
  }
  return response.exit_code();
}

}  // namespace slipway::cli
