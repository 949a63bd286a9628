// slipctl's verbs: each does its work through the client and says its exit code.
//
// An Error is printed by main and exits 1 (2 where the command line was wrong). `run` and `exec` give the command's own code and,
// where there is none, those that shells and other engines use.
#pragma once

#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/run_plan.h"
#include "cli/stream_connection.h"
#include "cli/targets.h"

namespace slipway::cli {

inline constexpr int kExitFailure = 1, kExitUsage = 2;
inline constexpr int kExitTimeout = 124;        // exec --timeout killed it
inline constexpr int kExitSlipway = 125;        // run, exec: slipway failed before the command could begin
inline constexpr int kExitCannotExecute = 126;  // the command is there but cannot be executed
inline constexpr int kExitNotFound = 127;       // there is no such command

struct Session {
  Client& client;
  Style style;
  streaming::TlsTrust tls = {};  // as the flags say it
};

// Prints the error as main does. For verbs that go on, or that exit with a code of their own.
void report(const Error& error);
// Prints it and gives `code`.
int report(const Error& error, int code);
// Of an error at the command's execve: kExitNotFound, kExitCannotExecute, else kExitSlipway.
int exit_code_of_start(const Error& error);

// verb_about.cc
Result<int> version(Session& session);
Result<int> info(Session& session);
Result<int> inspect(Session& session, const std::vector<std::string>& names);
Result<int> timeline(Session& session, const std::string& name);

// verb_images.cc
struct PullOptions {
  std::string image, user;  // NAME:PASSWORD
};
Result<int> pull(Session& session, const PullOptions& options);
Result<int> load(Session& session, const std::string& path, const std::string& name);
Result<int> images(Session& session);
Result<int> rmi(Session& session, const std::vector<std::string>& names, bool force);
// Of `run`: the id of the image, pulled where `policy` wants it ("missing", "always", "never").
Result<std::string> ensure_image(Session& session, const std::string& reference, const std::string& policy);

// verb_list.cc
Result<int> pods(Session& session, bool all);
Result<int> ps(Session& session, bool all);

// verb_stats.cc: of all running containers, or of those with this name or beginning of an id.
Result<int> stats(Session& session, const std::string& name);

// verb_run.cc
Result<int> run(Session& session, const RunOptions& options);

// verb_logs.cc
struct LogsOptions {
  std::string name;
  bool follow = false, timestamps = false;
  long tail = -1;  // -1 = all
};
Result<int> logs(Session& session, const LogsOptions& options);
// Prints a container's output until it has exited; its exit code. When `stop` becomes true it is stopped first.
// unavailable, cancelled: slipwayd went away, the container goes on.
Result<int> follow_to_exit(Session& session, const std::string& container_id, const volatile std::sig_atomic_t& stop);

// verb_exec.cc
// The container that a person means, by its name or its pod's.
Result<Target> container_of(Client& client, const std::string& name);
struct ExecOptions {
  std::string name;
  std::vector<std::string> command;
  bool interactive = false, tty = false;
  long timeout = 0;  // seconds; 0 = none
};
Result<int> exec(Session& session, const ExecOptions& options);

// verb_streams.cc
Result<int> exec_stream(Session& session, const ExecOptions& options, const std::string& container);  // of exec, with -i or -t
Result<int> attach(Session& session, const std::string& name, bool no_input);
Result<int> port_forward(Session& session, const std::string& name, const std::vector<std::string>& ports);

// verb_end.cc
Result<int> stop(Session& session, const std::vector<std::string>& names, long grace);
Result<int> rm(Session& session, const std::vector<std::string>& names, bool force);
// The log directory of a pod that slipctl made; others' are the kubelet's to remove.
Result<void> remove_logs(const v1::PodSandboxMetadata& metadata);

// Runs `each` for every name; failures are printed as they come and make the exit code 1.
Result<int> for_each_name(Session& session, const std::vector<std::string>& names,
                          const std::function<Result<void>(const std::string&)>& each);

}  // namespace slipway::cli
