// process.json with another command, and the end of a session.
#include "engine/exec_process.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "oci/parse.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::engine {

Result<UniqueFd> exec_process(const Context& context, const ContainerRecord& record, const std::vector<std::string>& command, bool tty) {
  TRY_ASSIGN(const std::string text,
             sys::read_file(bundle_path(context.paths_of(record.pod_id), record.id) + "/process.json", oci::kMaxDocument));
  TRY_ASSIGN(oci::Process process, oci::parse_process(text));
  process.args = command;
  process.terminal = tty;
  process.console_size.reset();
  const bool named =
      std::any_of(process.env.begin(), process.env.end(), [](const std::string& entry) { return entry.starts_with("TERM="); });
  if (tty && !named) process.env.emplace_back("TERM=xterm");
  return sys::memory_file("slipway-process", oci::write_process(process));
}

void kill_exec(Context& context, MonitorClient& client, const std::string& session, const std::string& container) {
  monitor::Request request;
  request.mutable_signal()->set_id(session);
  request.mutable_signal()->set_signal(9);
  request.mutable_signal()->set_all(true);
  const auto killed = client.call(std::move(request), {}, context.timeouts.quick);
  if (!killed.ok() && killed.error().code != Code::not_found)
    log::warn("kill exec session {} of container {}: {}", session, container, killed.error().message);
}

}  // namespace slipway::engine
