// run: an image's command in a pod of its own, its output here.
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/ids.h"
#include "base/undo.h"
#include "cli/verbs.h"

namespace slipway::cli {
namespace {

volatile std::sig_atomic_t g_stop = 0;

// The first interruption stops the container in an orderly way, a second one ends slipctl.
void on_signal(int signal) {
  g_stop = 1;
  (void)std::signal(signal, SIG_DFL);
}

void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;  // no SA_RESTART: a waiting poll is to end
  (void)::sigaction(SIGINT, &action, nullptr);
  (void)::sigaction(SIGTERM, &action, nullptr);
}

Result<void> make_log_directory(const RunPlan& plan) {
  std::error_code error;
  std::filesystem::create_directories(plan.pod.log_directory() + "/" + plan.container.metadata().name(), error);
  if (error) return fail_errno(error.value(), "make {}", plan.pod.log_directory());
  return {};
}

struct Started {
  std::string pod, container;
};

Result<void> end_pod(Session& session, const std::string& id) {
  TRY(session.client.stop_pod(id));
  return session.client.remove_pod(id);
}

// Pod, container, start; a failure takes back what was made.
Result<Started> start(Session& session, RunPlan& plan, const std::string& image_id, Undo& undo) {
  plan.container.mutable_image()->set_image(image_id);
  TRY(make_log_directory(plan));
  TRY(undo.add("log directory", [metadata = plan.pod.metadata()] { return remove_logs(metadata); }));
  v1::RunPodSandboxRequest pod;
  *pod.mutable_config() = plan.pod;
  TRY_ASSIGN(const auto sandbox, session.client.run_pod(pod));
  TRY(undo.add("pod", [&session, id = sandbox.pod_sandbox_id()] { return end_pod(session, id); }));
  v1::CreateContainerRequest request;
  request.set_pod_sandbox_id(sandbox.pod_sandbox_id());
  *request.mutable_config() = plan.container;
  *request.mutable_sandbox_config() = plan.pod;
  TRY_ASSIGN(const auto container, session.client.create_container(request));
  TRY(session.client.start_container(container.container_id()));
  return Started{sandbox.pod_sandbox_id(), container.container_id()};
}

// Pods of one name and another uid are two for CRI; for people a name is one pod.
Result<void> check_name(Session& session, const std::string& name) {
  TRY_ASSIGN(const auto pods, session.client.pods());
  for (const auto& pod : pods.items())
    if (pod.metadata().name() == name)
      return fail(Code::already_exists, "--name: there is a pod '{}' already ({}); `slipctl rm -f {}` removes it", name, short_id(pod.id()),
                  name);
  return {};
}

// slipwayd went away: that is no end of the container.
bool slipwayd_is_gone(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::cancelled;
}

Result<int> finish(Session& session, const RunOptions& options, const RunPlan& plan, const Started& started, Undo& undo) {
  auto code = follow_to_exit(session, started.container, g_stop);
  if (!code.ok() && slipwayd_is_gone(code.error())) {
    undo.dismiss();
    report(code.error());
    const std::string& name = plan.pod.metadata().name();
    (void)print_to(STDERR_FILENO, fmt::format("slipctl: pod '{}' goes on without slipwayd; later: slipctl logs -f {}\n", name, name));
    return kExitSlipway;
  }
  if (options.remove) {
    for (const Error& error : undo.run()) report(error);
    return code;
  }
  undo.dismiss();
  // The command has ended: the pod gives its address back; records and log stay for `logs` and `inspect`.
  const auto stopped = session.client.stop_pod(started.pod);
  if (!stopped.ok()) report(stopped.error());
  return code;
}

}  // namespace

Result<int> run(Session& session, const RunOptions& options) {
  auto planned = plan_run(options, make_id().substr(0, 32));
  if (!planned.ok()) return report(planned.error(), kExitUsage);
  RunPlan plan = std::move(planned).take();
  if (!options.name.empty()) {
    const auto free = check_name(session, options.name);
    if (!free.ok()) return report(free.error(), kExitSlipway);
  }
  const auto image_id = ensure_image(session, options.image, options.pull);
  if (!image_id.ok()) return report(image_id.error(), kExitSlipway);
  catch_signals();
  Undo undo;
  const auto started = start(session, plan, image_id.value(), undo);
  if (!started.ok()) {
    for (const Error& error : undo.run()) report(error);
    return report(started.error(), exit_code_of_start(started.error()));
  }
  if (!options.detach) return finish(session, options, plan, started.value(), undo);
  undo.dismiss();
  const std::string json =
      to_json({{"name", plan.pod.metadata().name()}, {"pod", started.value().pod}, {"container", started.value().container}});
  TRY(print((session.style.json ? json : plan.pod.metadata().name()) + "\n"));
  return 0;
}

}  // namespace slipway::cli
