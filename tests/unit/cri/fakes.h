// Stand-ins for the engine and its ports: they keep what they were asked and answer what a test put into them.
#pragma once

#include <algorithm>
#include <future>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace slipway::tests {

class FakeEngine final : public engine::Engine {
 public:
  Result<std::string> run_pod(engine::PodSpec spec) override {
    if (failure) return *failure;
    const std::lock_guard lock(mutex);
    engine::PodRecord pod;
    pod.id = std::string(63, 'a') + static_cast<char>('0' + records.pods.size());
    pod.spec = std::move(spec);
    pod.state = engine::PodState::ready;
    pod.created_at = 1'000;
    records.pods[pod.id] = pod;
    return pod.id;
  }
  Result<void> stop_pod(const std::string& id) override { return note("stop_pod " + id); }
  Result<void> remove_pod(const std::string& id) override { return note("remove_pod " + id); }
  Result<std::string> create_container(const std::string& pod_id, engine::ContainerSpec spec) override {
    if (failure) return *failure;
    const std::lock_guard lock(mutex);
    engine::ContainerRecord container;
    container.id = std::string(63, 'c') + static_cast<char>('0' + records.containers.size());
    container.pod_id = pod_id;
    container.image_id = "sha256:" + std::string(64, '1');
    container.spec = std::move(spec);
    container.created_at = 2'000;
    records.containers[container.id] = container;
    return container.id;
  }
  Result<void> start_container(const std::string& id) override { return note("start_container " + id); }
  Result<void> stop_container(const std::string& id, std::chrono::seconds grace) override {
    return note("stop_container " + id + " " + std::to_string(grace.count()));
  }
  Result<void> remove_container(const std::string& id) override { return note("remove_container " + id); }
  Result<engine::ExecOutput> exec_sync(const std::string& id, const std::vector<std::string>& command,
                                       std::chrono::seconds timeout) override {
    TRY(note("exec_sync " + id + " " + command[0] + " " + std::to_string(timeout.count())));
    return engine::ExecOutput{"out\n", "err\n", 3};
  }
  Result<std::unique_ptr<engine::ProcessStreams>> exec(const std::string& id, const engine::StreamSpec& spec) override {
    TRY(note("exec " + id + " " + spec.command[0]));
    if (make_streams) return make_streams(spec);
    return fail(Code::unimplemented, "this engine runs nothing");
  }
  Result<std::unique_ptr<engine::ProcessStreams>> attach(const std::string& id, const engine::StreamSpec& spec) override {
    TRY(note("attach " + id));
    if (make_streams) return make_streams(spec);
    return fail(Code::unimplemented, "this engine runs nothing");
  }
  Result<UniqueFd> dial(const std::string& pod_id, std::uint32_t port) override {
    TRY(note("dial " + pod_id + " " + std::to_string(port)));
    if (make_connection) return make_connection(port);
    return fail(Code::unimplemented, "this engine runs nothing");
  }
  Result<void> reopen_log(const std::string& id) override { return note("reopen_log " + id); }
  Result<void> checkpoint_container(const std::string& id, const std::string& location, std::chrono::seconds timeout) override {
    return note("checkpoint_container " + id + " " + location + " " + std::to_string(timeout.count()));
  }
  Result<void> update_resources(const std::string& id, const engine::LinuxResources& patch) override {
    return note("update_resources " + id + " " + std::to_string(patch.cpu_shares));
  }
  Result<void> update_pod_resources(const std::string& id, const engine::LinuxResources& overhead,
                                    const engine::LinuxResources& resources) override {
    return note("update_pod_resources " + id + " " + std::to_string(overhead.cpu_shares) + " " + std::to_string(resources.cpu_shares));
  }
  Result<engine::ContainerUsage> container_usage(const std::string& id) override {
    if (failure) return *failure;
    engine::ContainerUsage out;
    const std::lock_guard lock(mutex);
    out.container = records.containers[id];
    out.timestamp = 5'000;
    out.cgroup.cpu.usage_usec = 77;
    out.cgroup.memory.emplace().current = 88;
    return out;
  }
  Result<engine::PodUsage> pod_usage(const std::string& id, engine::UsageDetail) override {
    if (failure) return *failure;
    engine::PodUsage out;
    const auto found = snapshot();
    out.pod = found->pods.at(id);
    out.timestamp = 6'000;
    out.cgroup.cpu.usage_usec = 99;
    out.processes = 2;
    out.links = {{.name = "eth0", .rx_bytes = 11, .tx_bytes = 22}};
    for (const auto& [container_id, container] : found->containers)
      if (container->pod_id == id) out.containers.push_back(container_usage(container_id).take());
    return out;
  }
  std::shared_ptr<const engine::Snapshot> snapshot() const override {
    const std::lock_guard lock(mutex);
    if (frozen) return frozen;
    auto out = std::make_shared<engine::Snapshot>();
    out->pods.insert(records.pods.begin(), records.pods.end());
    out->containers.insert(records.containers.begin(), records.containers.end());
    return out;
  }
  Result<engine::PodRecord> find_pod(const std::string& id) const override { return find(snapshot()->pods, id, "pod"); }
  Result<engine::ContainerRecord> find_container(const std::string& id) const override {
    return find(snapshot()->containers, id, "container");
  }
  Result<engine::PodView> view(const std::string& pod_id) const override {
    const auto found = snapshot();
    const auto pod = found->pods.find(pod_id);
    if (pod == found->pods.end()) {
      if (auto last = hub.gone(pod_id)) return engine::PodView{std::move(*last), {}};
      return fail(Code::not_found, "no pod '{}'", pod_id);
    }
    engine::PodView out{pod->second, {}};
    for (const auto& [id, container] : found->containers)
      if (container->pod_id == pod_id) out.containers.push_back(container);
    return out;
  }
  engine::PodEvents& events() override { return hub; }
  void shut_down() override {}

  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex);
    return asked;
  }

  mutable std::mutex mutex;
  engine::PodEvents hub;
  struct {
    std::map<std::string, engine::PodRecord> pods;
    std::map<std::string, engine::ContainerRecord> containers;
  } records;
  std::shared_ptr<const engine::Snapshot> frozen;  // where set: what snapshot() gives
  std::vector<std::string> asked;
  std::optional<Error> failure;
  std::function<void()> on_call;  // runs within every call that is noted
  // What exec, attach and dial answer with; else that nothing is run here.
  std::function<Result<std::unique_ptr<engine::ProcessStreams>>(const engine::StreamSpec&)> make_streams;
  std::function<Result<UniqueFd>(std::uint32_t port)> make_connection;

 private:
  Result<void> note(std::string call) {
    if (on_call) on_call();
    const std::lock_guard lock(mutex);
    asked.push_back(std::move(call));
    if (failure) return *failure;
    return {};
  }
  template <class Record>
  static Result<Record> find(const std::map<std::string, engine::Held<Record>>& map, const std::string& id, const char* what) {
    const auto at = map.lower_bound(id);
    if (at == map.end() || at->first.compare(0, id.size(), id) != 0) return fail(Code::not_found, "no {} '{}'", what, id);
    const auto next = std::next(at);
    if (at->first != id && next != map.end() && next->first.compare(0, id.size(), id) == 0)
      return fail(Code::invalid_argument, "{} '{}' is not the only one", what, id);
    return *at->second;
  }
};

class FakeImages final : public engine::Images {
 public:
  Result<engine::ImageRecord> pull(const std::string& reference, const engine::RegistryAuth& auth, const engine::OnProgress& progress,
                                   const std::stop_token& gone) override {
    user = auth.username;
    if (failure) return *failure;
    progress({"download", "layer1", 10, 20});
    if (reference == "stalls") return wait_for_the_end(gone);
    progress({"download", "layer1", 20, 20});
    progress({"done", reference, 0, 0});
    engine::ImageRecord image;
    image.id = "sha256:" + std::string(64, '1');
    image.repo_tags = {reference};
    image.repo_digests = {"docker.io/library/web@sha256:" + std::string(64, '2')};
    image.size = 4096;
    records.push_back(image);
    return image;
  }
  Result<std::vector<engine::ImageRecord>> load(const std::string& path, const std::string&, const engine::OnProgress&,
                                                const std::stop_token& gone) override {
    if (path == "/stalls") return wait_for_the_end(gone).error();
    return fail(Code::not_found, "open '{}'", path);
  }
  Result<engine::ImageRecord> find(const std::string& reference) const override {
    for (const auto& image : records)
      if (image.id == reference || std::count(image.repo_tags.begin(), image.repo_tags.end(), reference) > 0) return image;
    return fail(Code::not_found, "no image '{}'", reference);
  }
  std::vector<engine::ImageRecord> list() const override { return records; }
  Result<void> remove(const std::string& reference) override {
    std::erase_if(records, [&](const auto& image) { return image.id == reference; });
    return {};
  }
  Result<engine::RootLayers> prepare_root(const engine::ImageRecord&, const std::string&) override { return engine::RootLayers{}; }
  Result<std::vector<std::string>> hold(const engine::ImageRecord&, const std::string&) override { return std::vector<std::string>{}; }
  Result<engine::RootLayers> root_of(const std::string&) const override { return engine::RootLayers{}; }
  Result<void> remove_root(const std::string&) override { return {}; }
  std::vector<std::string> roots() const override { return {}; }
  Result<std::string> read_file(const engine::ImageRecord&, const std::string&, std::size_t) const override {
    return fail(Code::not_found, "none");
  }
  Result<void> check_path(const engine::ImageRecord&, const std::string&) const override { return {}; }
  Result<engine::FsUsage> usage() const override { return engine::FsUsage{9'000, "/var/lib/slipway", 123, 4}; }
  Result<engine::FsUsage> root_usage(const std::string&) const override { return engine::FsUsage{}; }

  std::vector<engine::ImageRecord> records;
  std::optional<Error> failure;
  std::string user;
  std::promise<void> begun, ended;  // of the call that stalls

 private:
  Result<engine::ImageRecord> wait_for_the_end(const std::stop_token& gone) {
    std::promise<void> wish;
    const std::stop_callback told(gone, [&] { wish.set_value(); });
    begun.set_value();
    wish.get_future().wait();
    ended.set_value();
    return fail(Code::cancelled, "nobody wants it any more");
  }
};

class FakeNetwork final : public engine::Network {
 public:
  Result<engine::NetworkResult> attach(const engine::NetworkRequest&) override { return engine::NetworkResult{}; }
  Result<void> detach(const engine::NetworkRequest&, const std::string&) override { return {}; }
  Result<std::vector<std::string>> owed() const override { return std::vector<std::string>{}; }
  Result<void> detach_owed(const std::string&) override { return {}; }
  Result<void> reclaim() override { return {}; }
  engine::Condition ready() const override { return condition; }
  Result<void> set_pod_cidrs(const std::string& text) override {
    cidrs = text;
    return {};
  }

  std::string cidrs;
  engine::Condition condition{false, "NetworkPluginNotReady", "no CNI configuration in /etc/cni/net.d"};
};

}  // namespace slipway::tests
