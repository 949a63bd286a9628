// slipctl: people's tool for looking at slipway and driving it.
#include <unistd.h>

#include <csignal>

#include "cli/command_line.h"

int main(int argc, char** argv) {
  using namespace slipway;
  (void)std::signal(SIGPIPE, SIG_IGN);  // `slipctl ps | head` is told by EPIPE
  const cli::CommandLine line = cli::parse_command_line({argv + 1, argv + argc});
  if (!line.verb) return line.exit_code;
  const auto failed = [](const Error& error) {
    (void)cli::print_to(STDERR_FILENO, fmt::format("slipctl: {}\n", error.message));
    return error.sys_errno == EPIPE ? 0 : cli::kExitFailure;
  };
  const auto client = cli::Client::connect(line.endpoint);
  if (!client.ok()) return failed(client.error());
  cli::Session session{*client.value(), cli::detect_style(line.json)};
  const auto code = line.verb(session);
  return code.ok() ? code.value() : failed(code.error());
}
