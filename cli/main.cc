// slipctl: people's tool for looking at slipway and driving it.
#include <csignal>

#include "cli/command_line.h"

int main(int argc, char** argv) {
  using namespace slipway;
  (void)std::signal(SIGPIPE, SIG_IGN);  // `slipctl ps | head` is told by EPIPE
  const cli::CommandLine line = cli::parse_command_line({argv + 1, argv + argc});
  if (!line.verb) return line.exit_code;
  const auto client = cli::Client::connect(line.endpoint);
  if (!client.ok()) return cli::report(client.error(), cli::kExitUsage);
  cli::Session session{*client.value(), cli::detect_style(line.json), line.tls};
  const auto code = line.verb(session);
  if (code.ok()) return code.value();
  if (code.error().sys_errno == EPIPE) return 0;  // the reader of a pipe has seen enough
  return cli::report(code.error(), cli::kExitFailure);
}
