// exec: one command in a running container, its output when it has ended.
#include <unistd.h>

#include "cli/targets.h"
#include "cli/verbs.h"

namespace slipway::cli {

Result<int> exec(Session& session, const ExecOptions& options) {
  if (options.interactive || options.tty)
    return fail(Code::unimplemented,
                "exec: {} is not in slipctl yet; `crictl exec` has it. Without it output comes when the command has ended",
                options.interactive ? "--interactive" : "--tty");
  TRY_ASSIGN(const auto pod_list, session.client.pods());
  TRY_ASSIGN(const auto container_list, session.client.containers());
  TRY_ASSIGN(const Target target, find_container(targets_of(pod_list, container_list), options.name));
  v1::ExecSyncRequest request;
  request.set_container_id(target.id);
  for (const auto& word : options.command) request.add_cmd(word);
  request.set_timeout(options.timeout);
  TRY_ASSIGN(const auto response, session.client.exec(request));
  if (session.style.json) {
    TRY(print(to_json({{"stdout", response.stdout()}, {"stderr", response.stderr()}, {"exit_code", std::to_string(response.exit_code())}}) +
              "\n"));
  } else {
    TRY(print_to(STDOUT_FILENO, response.stdout()));
    TRY(print_to(STDERR_FILENO, response.stderr()));
  }
  return response.exit_code();
}

}  // namespace slipway::cli
