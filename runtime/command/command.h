// The verbs of `slipway`, one a file, and what they share.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "base/result.h"
#include "cgroups/cgroup.h"
#include "oci/spec.h"
#include "runtime/command/options.h"
#include "runtime/runner.h"
#include "runtime/state_dir.h"

namespace slipway::runtime::command {

inline constexpr const char* kVersion = "0.1.0";
inline constexpr const char* kSpecVersion = "1.3.0";
inline constexpr int kRemoveTimeout = 10'000;  // ms

// SIGKILL, and its end; deadline_exceeded where that does not come within kRemoveTimeout.
Result<void> end_process(FdRef pidfd);

struct Global {
  std::string root = "/run/slipway-oci";
  CgroupManager manager = CgroupManager::cgroupfs;
  Seal* seal = nullptr;  // of a verb whose process may be seen from inside a container
  std::string criu;      // the program's file; empty: "criu" in PATH
  Rootless rootless = Rootless::automatic;
  bool within = false;             // executed again, as root of the container's user namespace (runtime/rootless.h)
  std::vector<std::string> words;  // the whole command line
};

using Words = std::span<const std::string>;

// Each returns the program's exit status.
Result<int> create_verb(const Global&, Words);
Result<int> start_verb(const Global&, Words);
Result<int> run_verb(const Global&, Words);
Result<int> state_verb(const Global&, Words);
Result<int> kill_verb(const Global&, Words);
Result<int> delete_verb(const Global&, Words);
Result<int> exec_verb(const Global&, Words);
Result<int> list_verb(const Global&, Words);
Result<int> ps_verb(const Global&, Words);
Result<int> pause_verb(const Global&, Words);
Result<int> resume_verb(const Global&, Words);
Result<int> update_verb(const Global&, Words);
Result<int> events_verb(const Global&, Words);
Result<int> spec_verb(const Global&, Words);
Result<int> features_verb(const Global&, Words);
Result<int> checkpoint_verb(const Global&, Words);
Result<int> restore_verb(const Global&, Words);

// An argument too many is refused by its text.
Result<void> no_more_than(const Arguments& arguments, std::size_t most);
// The id, which is the first of at most so many arguments, or the sentence that it is missing.
Result<std::string> container_id(const Arguments& arguments, std::size_t most = 1);
// A container that is complete: its directory and record.
struct Found {
  StateDir dir;
  ContainerRecord record;
};
Result<Found> find_container(const Global& global, const std::string& id);
// Its own; failed_precondition for one without (rootless, nothing delegated).
Result<cgroups::Cgroup> open_cgroup(const ContainerRecord& record);

// An ordinary user's create, run or exec goes on as root of the container's user namespace, as a program executed again: returns only
// what went wrong. Nothing to do for others.
bool must_enter(const Global& global);
Result<void> go_within(const Global& global);

// Where errors go beside stderr: --log (a path, or "file:" and one; "syslog:NAME", "journald:NAME") and --log-format, of a file. "" =
// nowhere.
Result<void> set_error_log(std::string_view path, bool json);
// On stderr, and as a line of the log.
void report_error(const Error& error);
// As a line of the log; on stderr, which may be the container's, where there is none.
void report_warning(const Error& error);
// A log::Sink: warnings of the libraries go where the verbs' own go.
bool report_line(log::Level level, std::string_view message);
void print(std::string_view text);  // to stdout, whole
// Ends the process: of a verb that has nothing more to do, its descriptors and memory are the kernel's to give back, at once.
[[noreturn]] void leave(int status);
// A flag's path as it was given, links and all, from the working directory: whoever reads the state knows the bundle by that name. It need
// not be there.
Result<std::string> absolute(std::string_view flag, const std::string& path);
Result<void> write_pid_file(const std::string& path, pid_t pid);

}  // namespace slipway::runtime::command
