// What the kubelet would send for one small container, and a clock around each call.
#include "tests/bench/cri_client.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace bench {
namespace {

namespace v1 = runtime::v1;
using Stub = v1::RuntimeService::Stub;

constexpr int kTries = 3;      // of a pod among many: a kubelet tries again
constexpr int kQuestions = 5;  // a round: quick ones, the first of which meets what the call before has left to do

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "cri_bench: %s\n", text.c_str());
  std::exit(1);
}

// Each number below `count` once, by `hands` threads.
template <class Act>
void each(std::size_t count, int hands, const Act& act) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < hands; ++i)
    callers.emplace_back([&] {
      for (std::size_t at = next++; at < count; at = next++) act(at);
    });
  for (auto& caller : callers) caller.join();
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
  admin_ = slipway::admin::Admin::NewStub(channel);
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
std::optional<Response> Client::try_call(const char* what, Call<Request, Response> method, const Request& request, Samples* samples) {
  grpc::ClientContext context;
  set_deadline(context);
  Response response;
  const auto begin = std::chrono::steady_clock::now();
  const grpc::Status status = (runtime_.get()->*method)(&context, request, &response);
  const double took = milliseconds_since(begin);
  if (!status.ok()) {
    std::fprintf(stderr, "cri_bench: %s: %s: %s\n", name_.c_str(), what, status.error_message().c_str());
    return std::nullopt;
  }
  if (samples != nullptr) (*samples)[what].push_back(took);
  return response;
}

template <class Request, class Response>
Response Client::call(const char* what, Call<Request, Response> method, const Request& request, Samples* samples) {
  auto response = try_call(what, method, request, samples);
  if (!response) die("a bench with failures has no result");
  return *std::move(response);
}

void Client::pull(Samples& samples) {
  if (!image_id_.empty()) {
    v1::RemoveImageRequest remove;
    remove.mutable_image()->set_image(image_id_);
    v1::RemoveImageResponse removed;
    grpc::ClientContext context;
    set_deadline(context);
    const grpc::Status status = images_->RemoveImage(&context, remove, &removed);
    if (!status.ok()) die(name_ + ": RemoveImage " + image_id_ + ": " + status.error_message());
  }
  v1::PullImageRequest request;
  request.mutable_image()->set_image(image_);
  v1::PullImageResponse response;
  grpc::ClientContext context;
  set_deadline(context);
  const auto begin = std::chrono::steady_clock::now();
  const grpc::Status status = images_->PullImage(&context, request, &response);
  if (!status.ok()) die(name_ + ": PullImage " + image_ + ": " + status.error_message());
  samples["PullImage"].push_back(milliseconds_since(begin));
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

std::string Client::make_container(const std::string& pod, int pod_number, int number) {
  auto made = try_container(pod, pod_number, number);
  if (!made) die("a bench with failures has no result");
  return *std::move(made);
}

std::optional<std::string> Client::try_container(const std::string& pod, int pod_number, int number) {
  v1::CreateContainerRequest create;
  create.set_pod_sandbox_id(pod);
  *create.mutable_config() = container_config();
  create.mutable_config()->mutable_metadata()->set_name("probed-" + std::to_string(number));
  create.mutable_config()->set_log_path("probed-" + std::to_string(number) + ".log");
  *create.mutable_sandbox_config() = pod_config(pod_number);
  const auto created = try_call("CreateContainer", &Stub::CreateContainer, create);
  if (!created) return std::nullopt;
  v1::StartContainerRequest start;
  start.set_container_id(created->container_id());
  if (!try_call("StartContainer", &Stub::StartContainer, start)) return std::nullopt;
  return start.container_id();
}

void Client::stop_container(const std::string& id, Samples* samples) {
  v1::StopContainerRequest stop;
  stop.set_container_id(id);
  stop.set_timeout(30);
  call("StopContainer", &Stub::StopContainer, stop, samples);
}

std::vector<Client::Running> Client::fill(int first, int pods, int containers_each, int hands) {
  std::vector<Running> out(static_cast<std::size_t>(pods));
  each(out.size(), hands, [&](std::size_t i) {
    const int number = first + static_cast<int>(i);
    for (int tries = 1; !fill_one(out[i], number, containers_each); ++tries) {
      if (tries == kTries) die("a pod has failed too often");
      ++failures_;
      drop_pod(out[i].pod);
      out[i] = {};
    }
  });
  return out;
}

bool Client::fill_one(Running& out, int number, int containers_each) {
  out.pod = make_pod(number);
  for (int k = 0; k < containers_each; ++k) {
    auto container = try_container(out.pod, number, k);
    if (!container) return false;
    out.containers.push_back(*std::move(container));
  }
  return true;
}

void Client::drop(const std::vector<Running>& pods, int hands) {
  each(pods.size(), hands, [&](std::size_t i) {
    for (const std::string& id : pods[i].containers) stop_container(id);
    drop_pod(pods[i].pod);
  });
}

void Client::crowd(int first, int count, Samples& samples) {
  const std::string suffix = " of " + std::to_string(count) + " at once";
  const auto begin = std::chrono::steady_clock::now();
  const auto pods = fill(first, count, 1, count);
  samples["start" + suffix].push_back(milliseconds_since(begin));
  // A shell that is told to end before it has said what to do then takes no notice: it is PID 1, and 30 s would go by.
  // lint: allow sleep, because nothing tells that a shell has come to its trap
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const auto end = std::chrono::steady_clock::now();
  drop(pods, count);
  samples["stop and removal" + suffix].push_back(milliseconds_since(end));
}

void Client::probe_one(const std::string& container) {
  v1::ExecSyncRequest exec;
  exec.set_container_id(container);
  exec.add_cmd("true");
  exec.set_timeout(60);
  if (call("ExecSync", &Stub::ExecSync, exec).exit_code() != 0) die(name_ + ": `true` failed");
}

void Client::probe(const std::vector<std::string>& containers, int hands) {
  each(containers.size(), hands, [&](std::size_t i) { probe_one(containers[i]); });
}

std::vector<std::pair<std::string, std::function<void()>>> Client::questions(const Running& about, Samples& samples) {
  v1::ContainerStatusRequest container;
  container.set_container_id(about.containers.front());
  v1::PodSandboxStatusRequest pod;
  pod.set_pod_sandbox_id(about.pod);
  const auto pod_status = [this, pod, &samples] {
    const auto status = call("PodSandboxStatus", &Stub::PodSandboxStatus, pod, &samples);
    if (status.status().network().ip().empty()) die(name_ + ": the pod has no address");
  };
  // Version: what a call costs that does nothing, gRPC, the socket, and this client, of all others.
  return {{"Version", [this, &samples] { call("Version", &Stub::Version, v1::VersionRequest(), &samples); }},
          {"ContainerStatus", [this, container, &samples] { call("ContainerStatus", &Stub::ContainerStatus, container, &samples); }},
          {"PodSandboxStatus", pod_status},
          {"ListPodSandbox", [this, &samples] { call("ListPodSandbox", &Stub::ListPodSandbox, v1::ListPodSandboxRequest(), &samples); }},
          {"ListContainers", [this, &samples] { call("ListContainers", &Stub::ListContainers, v1::ListContainersRequest(), &samples); }}};
}

// Only slipwayd tells: how long the CNI plugins took, which are the same for all servers.
void Client::note_plugins(const std::string& pod, Samples& samples) {
  slipway::admin::TimelineRequest request;
  request.set_id(pod);
  slipway::admin::TimelineReply reply;
  grpc::ClientContext context;
  set_deadline(context);
  if (!admin_->Timeline(&context, request, &reply).ok()) return;
  for (const auto& stage : reply.stages())
    if (stage.name() == "network" && stage.container().empty()) samples["CNI ADD"].push_back(static_cast<double>(stage.duration()) / 1e6);
}

void Client::round(int number, Samples& samples) {
  v1::RunPodSandboxRequest run;
  *run.mutable_config() = pod_config(number);
  const std::string pod = call("RunPodSandbox", &Stub::RunPodSandbox, run, &samples).pod_sandbox_id();
  note_plugins(pod, samples);
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
  for (const auto& [name, ask] : questions({pod, {container}}, samples))
    for (int i = 0; i < kQuestions; ++i) ask();

  stop_container(container, &samples);
  v1::ContainerStatusRequest container_status;
  container_status.set_container_id(container);
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
