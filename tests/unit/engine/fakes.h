// Images, network, cgroups and monitors that live in the test: they remember what was asked and fail when told to.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine_impl.h"

namespace slipway::engine::test {

// The n-th call of a name fails; counted from 1.
class Faults {
 public:
  void arm(const std::string& name, int times = 1) {
    const std::lock_guard lock(mutex_);
    armed_[name] = times;
  }
  Result<void> pass(const std::string& name) {
    const std::lock_guard lock(mutex_);
    ++calls_[name];
    auto& left = armed_[name];
    if (left == 0) return {};
    --left;
    return fail(Code::internal, "{} was told to fail", name);
  }
  int calls(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return calls_[name];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> armed_, calls_;
};

class FakeImages final : public Images {
 public:
  explicit FakeImages(Faults& faults) : faults_(faults) {
    image.id = "sha256:" + std::string(64, 'a');
    image.repo_tags = {"registry.test/web:1"};
    image.config.entrypoint = {"/bin/web"};
    image.config.env = {"PATH=/bin"};
    files["etc/passwd"] = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\n";
    files["etc/group"] = "root:x:0:\nweb:x:33:\nextra:x:44:web\n";
  }
  Result<ImageRecord> pull(const std::string&, const RegistryAuth&, const OnProgress&, const std::stop_token&) override { return image; }
  Result<std::vector<ImageRecord>> load(const std::string&, const std::string&, const OnProgress&, const std::stop_token&) override {
    return std::vector{image};
  }
  Result<ImageRecord> find(const std::string& reference) const override {
    if (reference == image.id || reference == image.repo_tags[0]) return image;
    return fail(Code::not_found, "there is no image '{}'", reference);
  }
  std::vector<ImageRecord> list() const override { return {image}; }
  Result<void> remove(const std::string&) override { return {}; }
  Result<RootLayers> prepare_root(const ImageRecord&, const std::string& id) override {
    TRY(faults_.pass("prepare_root"));
    const std::lock_guard lock(mutex_);
    roots_.insert(id);
    return RootLayers{{"/layers/2", "/layers/1"}, "/roots/" + id + "/upper", "/roots/" + id + "/work"};
  }
  Result<std::vector<std::string>> hold(const ImageRecord&, const std::string&) override { return std::vector<std::string>{"/layers/v"}; }
  Result<RootLayers> root_of(const std::string& id) const override {
    return RootLayers{{"/layers/2", "/layers/1"}, "/roots/" + id + "/upper", "/roots/" + id + "/work"};
  }
  Result<void> remove_root(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    roots_.erase(id);
    return {};
  }
  std::vector<std::string> roots() const override {
    const std::lock_guard lock(mutex_);
    return {roots_.begin(), roots_.end()};
  }
  Result<std::string> read_file(const ImageRecord&, const std::string& path, std::size_t limit) const override {
    const auto found = files.find(path);
    if (found == files.end()) return fail(Code::not_found, "{}", path);
    if (found->second.size() > limit) return fail(Code::resource_exhausted, "{} is longer than {} bytes", path, limit);
    return found->second;
  }
  Result<void> check_path(const ImageRecord&, const std::string&) const override { return {}; }
  Result<FsUsage> usage() const override { return FsUsage{}; }
  Result<FsUsage> root_usage(const std::string&) const override { return FsUsage{1, "/", 4096, 2}; }

  ImageRecord image;
  std::map<std::string, std::string> files;

 private:
  Faults& faults_;
  mutable std::mutex mutex_;
  std::set<std::string> roots_;
};

class FakeNetwork final : public Network {
 public:
  explicit FakeNetwork(Faults& faults) : faults_(faults) {}
  Result<NetworkResult> attach(const NetworkRequest& request) override {
    {
      const std::lock_guard lock(mutex_);
      held_.insert(request.pod_id);  // a failed ADD may have left something too
    }
    TRY(faults_.pass("attach"));
    return NetworkResult{{"10.1.0.2"}, "{\"cached\":1}"};
  }
  Result<void> detach(const NetworkRequest& request, const std::string&) override {
    TRY(faults_.pass("detach"));
    const std::lock_guard lock(mutex_);
    held_.erase(request.pod_id);
    return {};
  }
  Result<std::vector<std::string>> owed() const override {
    const std::lock_guard lock(mutex_);
    return std::vector<std::string>(held_.begin(), held_.end());
  }
  Result<void> detach_owed(const std::string& pod_id) override {
    TRY(faults_.pass("detach_owed"));
    const std::lock_guard lock(mutex_);
    held_.erase(pod_id);
    return {};
  }
  Result<void> reclaim() override { return faults_.pass("reclaim"); }
  Condition ready() const override { return {true, "", ""}; }
  void hold(const std::string& pod_id) {  // taken for a pod whose record was lost
    const std::lock_guard lock(mutex_);
    held_.insert(pod_id);
  }
  Result<void> set_pod_cidrs(const std::string&) override { return {}; }
  std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }

 private:
  Faults& faults_;
  mutable std::mutex mutex_;
  std::set<std::string> held_;
};

// One pod's monitor at the level of its messages. Outlives engines, as the real one does.
class FakeMonitor {
 public:
  struct Container {
    monitor::ContainerState::State state = monitor::ContainerState::CREATED;
    monitor::ExitRecord exit;
    std::string cgroup;
  };

  explicit FakeMonitor(monitor::PodConfig config) : config_(std::move(config)) {}

  Result<MonitorReply> handle(const monitor::Request& request, std::span<const int> fds);
  void exit(const std::string& id, int code, bool oom = false);
  void exec_exit(const std::string& id, int code);
  void kill_cgroup(const std::string& path);
  monitor::Welcome welcome();

  void attach(MonitorHooks hooks, const std::shared_ptr<MonitorClient>& client);
  void detach();  // waits for a hook that runs
  void deliver();

  const monitor::PodConfig& config() const { return config_; }
  monitor::CreateContainer created();  // the last request
  bool knows(const std::string& id);
  std::size_t kept_events();
  std::vector<std::string> sent();   // the signals so far
  std::vector<std::string> signals;  // "ID:15", "ID:9:all"
  bool obeys_term = true;
  std::function<void(FakeMonitor&, const monitor::Exec&, std::vector<int>)> on_exec;
  std::function<void(FakeMonitor&, const std::string&)> on_create;  // before its answer
  std::map<std::string, Code> refuse;                               // "create", "start", "shutdown", …
  std::atomic<bool> dead{false};

 private:
  void push(monitor::Event event);

  monitor::PodConfig config_;
  monitor::CreateContainer created_;
  std::recursive_mutex mutex_;
  std::map<std::string, Container> containers_;
  std::deque<monitor::Event> events_;
  std::uint64_t sequence_ = 0, told_ = 0;
  MonitorHooks hooks_;
  std::weak_ptr<MonitorClient> client_;

  friend class FakeClient;
  friend class FakeHost;
};

class FakeClient final : public MonitorClient {
 public:
  explicit FakeClient(std::shared_ptr<FakeMonitor> monitor) : MonitorClient(monitor->welcome()), monitor_(std::move(monitor)) {}
  Result<MonitorReply> call(monitor::Request request, std::span<const int> fds, std::chrono::milliseconds) override;
  Result<void> acknowledge(std::uint64_t sequence) override;
  void close() override;

 private:
  std::shared_ptr<FakeMonitor> monitor_;
};

// Everything of the host that outlives an engine: monitors, cgroups, network, images.
class FakeHost {
 public:
  FakeHost() : images(faults), network(faults) {}
  Result<std::unique_ptr<Engine>> open(const std::string& directory, const std::string& boot_id = "boot-1");
  std::shared_ptr<FakeMonitor> monitor(const std::string& pod_id);
  std::size_t living_monitors();
  RuntimeHandlers runtimes;              // of the next engine's configuration
  void lose(const std::string& pod_id);  // its monitor dies

  Faults faults;
  FakeImages images;
  FakeNetwork network;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<FakeMonitor>> monitors;
  std::set<std::string> cgroups;
  std::map<std::string, std::vector<std::string>> applied;  // by cgroup: resources as JSON
  SelinuxPolicy selinux;
  Labeller labeller = file_labels();
};

PodSpec web_pod(const std::string& name = "web");
ContainerSpec web_container(const std::string& name = "server");

// True once `condition` is; asked again and again for five seconds.
bool eventually(const std::function<bool()>& condition);

}  // namespace slipway::engine::test
