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

void report(std::vector<Error> errors) {
  for (const auto& error : errors) (void)print_to(STDERR_FILENO, fmt::format("slipctl: {}\n", error.message));
}

}  // namespace

Result<int> run(Session& session, const RunOptions& options) {
  TRY_ASSIGN(RunPlan plan, plan_run(options, make_id().substr(0, 32)));
  TRY_ASSIGN(const std::string image_id, ensure_image(session, options.image, options.pull));
  catch_signals();
  Undo undo;
  const auto started = start(session, plan, image_id, undo);
  if (!started.ok()) {
    report(undo.run());
    return started.error();
  }
  if (options.detach) {
    undo.dismiss();
    const std::string json =
        to_json({{"name", plan.pod.metadata().name()}, {"pod", started.value().pod}, {"container", started.value().container}});
    TRY(print((session.style.json ? json : plan.pod.metadata().name()) + "\n"));
    return 0;
  }
  const auto code = follow_to_exit(session, started.value().container, g_stop);
  if (options.remove) {
    report(undo.run());
  } else {
    undo.dismiss();
    // The command has ended: the pod gives its address back; records and log stay for `logs` and `inspect`.
    const auto stopped = session.client.stop_pod(started.value().pod);
    if (!stopped.ok()) report({stopped.error()});
  }
  return code;
}

}  // namespace slipway::cli
