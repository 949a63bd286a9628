// exec: one command in a running container; its output when it has ended, or with -i or -t as it comes.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/verbs.h"

namespace slipway::cli {

Result<Target> container_of(Client& client, const std::string& name) {
  TRY_ASSIGN(const auto pods, client.pods());
  TRY_ASSIGN(const auto containers, client.containers());
  return find_container(targets_of(pods, containers), name);
}

Result<int> exec(Session& session, const ExecOptions& options) {
  const bool streamed = options.interactive || options.tty;
  if (streamed && options.timeout > 0) return fail(Code::invalid_argument, "exec: --timeout goes with neither --interactive nor --tty");
  if (streamed && session.style.json) return fail(Code::invalid_argument, "exec: --output json goes with neither --interactive nor --tty");
  const auto target = container_of(session.client, options.name);
  if (!target.ok()) return report(target.error(), kExitSlipway);
  if (streamed) return exec_stream(session, options, target.value().id);
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
