// What the kubelet would send for one small container, and a clock around each call.
#include "tests/bench/cri_client.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

namespace v1 = runtime::v1;
using Stub = v1::RuntimeService::Stub;

constexpr int kStatusCalls = 5;  // a round: quick ones, the first of which meets what the call before has left to do

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "cri_bench: %s\n", text.c_str());
  std::exit(1);
}

void set_deadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(4));
}

}  // namespace

Client::Client(std::string name, const std::string& address, std::string image, std::string log_root)
    : name_(std::move(name)), socket_(address.substr(address.find("://") + 3)), image_(std::move(image)), log_root_(std::move(log_root)) {
  const auto channel = grpc::CreateChannel("unix://" + socket_, grpc::InsecureChannelCredentials());
  runtime_ = v1::RuntimeService::NewStub(channel);
  images_ = v1::ImageService::NewStub(channel);
}

pid_t Client::daemon() const {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_.c_str());
  ucred who{};
  socklen_t size = sizeof who;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 || ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    die(name_ + ": " + socket_ + ": " + std::strerror(errno));
  ::close(fd);
  return who.pid;
}

template <class Request, class Response>
Response Client::call(const char* what, Call<Request, Response> method, const Request& request, Samples* samples) {
  grpc::ClientContext context;
  set_deadline(context);
  Response response;
  const auto begin = std::chrono::steady_clock::now();
  const grpc::Status status = (runtime_.get()->*method)(&context, request, &response);
  const double took = milliseconds_since(begin);
  if (!status.ok()) die(name_ + ": " + what + ": " + status.error_message());
  if (samples != nullptr) (*samples)[what].push_back(took);
  return response;
}

void Client::pull() {
  v1::PullImageRequest request;
  request.mutable_image()->set_image(image_);
  v1::PullImageResponse response;
  grpc::ClientContext context;
  set_deadline(context);
  const grpc::Status status = images_->PullImage(&context, request, &response);
  if (!status.ok()) die(name_ + ": PullImage " + image_ + ": " + status.error_message());
  image_id_ = response.image_ref();
}

v1::PodSandboxConfig Client::pod_config(int number) const {
  v1::PodSandboxConfig config;
  const std::string suffix = std::to_string(::getpid()) + "-" + std::to_string(number);
  config.mutable_metadata()->set_name("bench-" + suffix);
  config.mutable_metadata()->set_namespace_("bench");
  config.mutable_metadata()->set_uid("uid-" + suffix);
  config.set_hostname("bench");
  config.set_log_directory(log_root_ + "/" + name_ + "-" + suffix);
  (*config.mutable_labels())["io.kubernetes.pod.name"] = "bench-" + suffix;
  config.mutable_dns_config()->add_servers("10.96.0.10");
  auto* security = config.mutable_linux()->mutable_security_context();
  security->mutable_namespace_options()->set_pid(v1::CONTAINER);
  security->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  config.mutable_linux()->set_cgroup_parent("/slipway-bench");
  ::mkdir(config.log_directory().c_str(), 0755);
  return config;
}

v1::ContainerConfig Client::container_config() const {
  v1::ContainerConfig config;
  config.mutable_metadata()->set_name("main");
  config.mutable_image()->set_image(image_id_);
  config.mutable_image()->set_user_specified_image(image_);
  // PID 1 obeys a signal only if it handles it.
  for (const char* word : {"/bin/sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"}) config.add_command(word);
  config.set_log_path("main.log");
  auto* resources = config.mutable_linux()->mutable_resources();
  resources->set_cpu_shares(102);
  resources->set_cpu_period(100000);
  resources->set_cpu_quota(50000);
  resources->set_memory_limit_in_bytes(256 << 20);
  resources->set_oom_score_adj(900);
  auto* security = config.mutable_linux()->mutable_security_context();
  security->mutable_namespace_options()->set_pid(v1::CONTAINER);
  security->mutable_seccomp()->set_profile_type(v1::SecurityProfile::RuntimeDefault);
  for (const char* path : {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                           "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"})
    security->add_masked_paths(path);
  for (const char* path : {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}) security->add_readonly_paths(path);
  return config;
}

std::string Client::make_pod(int number) {
  v1::RunPodSandboxRequest request;
  *request.mutable_config() = pod_config(number);
  return call("RunPodSandbox", &Stub::RunPodSandbox, request).pod_sandbox_id();
}

void Client::drop_pod(const std::string& id) {
  v1::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(id);
  call("StopPodSandbox", &Stub::StopPodSandbox, stop);
  v1::RemovePodSandboxRequest remove;
  remove.set_pod_sandbox_id(id);
  call("RemovePodSandbox", &Stub::RemovePodSandbox, remove);
}

void Client::round(int number, Samples& samples) {
  v1::RunPodSandboxRequest run;
  *run.mutable_config() = pod_config(number);
  const std::string pod = call("RunPodSandbox", &Stub::RunPodSandbox, run, &samples).pod_sandbox_id();
  v1::CreateContainerRequest create;
  create.set_pod_sandbox_id(pod);
  *create.mutable_config() = container_config();
  *create.mutable_sandbox_config() = run.config();
  const std::string container = call("CreateContainer", &Stub::CreateContainer, create, &samples).container_id();
  v1::StartContainerRequest start;
  start.set_container_id(container);
  call("StartContainer", &Stub::StartContainer, start, &samples);
  // containerd calls its runtime in StartContainer, slipway in CreateContainer: only their sum compares.
  samples["create + start"].push_back(samples["CreateContainer"].back() + samples["StartContainer"].back());
  samples["pod start"].push_back(samples["RunPodSandbox"].back() + samples["CreateContainer"].back() + samples["StartContainer"].back());

  v1::ExecSyncRequest exec;
  exec.set_container_id(container);
  exec.add_cmd("true");
  exec.set_timeout(60);
  if (call("ExecSync", &Stub::ExecSync, exec, &samples).exit_code() != 0) die(name_ + ": `true` failed");
  v1::ContainerStatusRequest container_status;
  container_status.set_container_id(container);
  for (int i = 0; i < kStatusCalls; ++i) call("ContainerStatus", &Stub::ContainerStatus, container_status, &samples);
  v1::PodSandboxStatusRequest pod_status;
  pod_status.set_pod_sandbox_id(pod);
  for (int i = 0; i < kStatusCalls; ++i) {
    const auto status = call("PodSandboxStatus", &Stub::PodSandboxStatus, pod_status, &samples);
    if (status.status().network().ip().empty()) die(name_ + ": the pod has no address");
  }

  v1::StopContainerRequest stop;
  stop.set_container_id(container);
  stop.set_timeout(30);
  call("StopContainer", &Stub::StopContainer, stop, &samples);
  const v1::ContainerStatusResponse ended = call("ContainerStatus", &Stub::ContainerStatus, container_status);
  if (ended.status().state() != v1::CONTAINER_EXITED || ended.status().exit_code() != 0) die(name_ + ": the container did not obey TERM");
  v1::RemoveContainerRequest remove;
  remove.set_container_id(container);
  call("RemoveContainer", &Stub::RemoveContainer, remove, &samples);
  v1::StopPodSandboxRequest stop_pod;
  stop_pod.set_pod_sandbox_id(pod);
  call("StopPodSandbox", &Stub::StopPodSandbox, stop_pod, &samples);
  v1::RemovePodSandboxRequest remove_pod;
  remove_pod.set_pod_sandbox_id(pod);
  call("RemovePodSandbox", &Stub::RemovePodSandbox, remove_pod, &samples);
}

}  // namespace bench
