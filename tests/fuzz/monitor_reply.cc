// What a monitor may tell slipwayd: packets through the real MonitorLink, events and Welcome applied to a real store.
//
// A monitor that was taken over by its container may lie about its pod; slipwayd and the other pods' records stay sound.
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "base/log.h"
#include "engine/context.h"
#include "engine/events.h"
#include "engine/monitor_link.h"
#include "engine/record_codec.h"
#include "sys/socket.h"

namespace {

using namespace slipway;

const std::string kPod(64, 'a');
const std::string kContainer(64, 'b');
const std::string kCgroup = "slipway/" + kPod;
constexpr std::uint64_t kMark = 0xfeedfacecafebeef;  // sequence of the event that ends a round
constexpr std::size_t kMaxPacket = 64 * 1024;

void require(bool holds) {
  if (!holds) std::abort();
}

class Mute final : public engine::MonitorClient {
 public:
  Mute() : MonitorClient({}) {}
  Result<engine::MonitorReply> call(monitor::Request, std::span<const int>, std::chrono::milliseconds) override {
    return fail(Code::unavailable, "mute");
  }
  Result<void> acknowledge(std::uint64_t) override { return {}; }
  void close() override {}
};

// Of the pod's cgroup alone may anything be killed at a monitor's word.
class Guarded final : public engine::Cgroups {
 public:
  Result<void> make(const std::string&) override { return {}; }
  Result<void> apply(const std::string&, const oci::Resources&) override { return {}; }
  Result<void> set_oom_score(const std::string&, int) override { return {}; }
  Result<void> kill_and_remove(const std::string& path) override {
    require(path.starts_with(kCgroup + "/") && (path + "/").find("/../") == std::string::npos);
    return {};
  }
  Result<cgroups::Stats> stats(const std::string&) override { return fail(Code::not_found, "none"); }
  Result<std::vector<pid_t>> processes(const std::string&) override { return fail(Code::not_found, "none"); }
};

class World {
 public:
  World() {
    char name[] = "/tmp/fuzz-engine-XXXXXX";
    require(::mkdtemp(name) != nullptr);
    directory_ = name;
    log::set_level(log::Level::error);
    auto store = engine::Store::open(directory_ + "/db", context_.events);
    require(store.ok());
    context_.store = std::move(store).take();
    context_.cgroups = &cgroups_;
    fill();
    listener_ = sys::listen_unix(directory_ + "/s", SOCK_SEQPACKET).take();
    reader_ = engine::MonitorReader::start().take();
  }
  ~World() {
    if (link_ != nullptr) link_->close();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void hear(std::string_view packet) {
    if (link_ == nullptr || lost_) connect();
    if (!sys::send_packet(peer_, packet).ok()) return;
    monitor::Packet mark;
    mark.mutable_event()->set_sequence(kMark);
    (void)sys::send_packet(peer_, mark.SerializeAsString()).ok();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return marked_ || lost_; });
    marked_ = false;
    lock.unlock();
    check();
  }

  void greet(const monitor::Welcome& welcome) {
    (void)engine::reconcile(context_, kPod, welcome).ok();
    check();
  }

 private:
  static engine::ContainerRecord fresh() {
    engine::ContainerRecord container;
    container.id = kContainer;
    container.pod_id = kPod;
    return container;
  }

  void fill() {
    engine::PodRecord pod;
    pod.id = kPod;
    pod.monitor_pid = 1;
    pod.cgroup = kCgroup;
    require(context_.store->begin(pod).ok() && context_.store->commit(pod).ok());
    require(context_.store->commit(fresh()).ok());
  }

  void connect() {
    link_.reset();
    lost_ = marked_ = false;
    std::thread accept([this] {
      peer_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      (void)sys::receive_packet(peer_, kMaxPacket).ok();
      monitor::Packet welcome;
      welcome.mutable_reply()->set_id(1);
      welcome.mutable_reply()->mutable_welcome()->set_pod_id(kPod);
      (void)sys::send_packet(peer_, welcome.SerializeAsString()).ok();
    });
    engine::MonitorCallbacks callbacks;
    callbacks.on_event = [this, hooks = engine::make_hooks(context_, kPod)](const monitor::Event& event) {
      if (event.sequence() == kMark) return tell(marked_);
      Mute client;
      hooks.on_event(client, event);
    };
    callbacks.on_lost = [this](const Error&) { tell(lost_); };
    auto link = engine::MonitorLink::connect(*reader_, directory_ + "/s", 0, std::move(callbacks), std::chrono::seconds(5));
    accept.join();
    require(link.ok());
    link_ = std::move(link).take();
  }

  void tell(bool& what) {
    const std::lock_guard lock(mutex_);
    what = true;
    changed_.notify_all();
  }

  // Whatever was told: the two records are there and can be written and read, and no other has appeared.
  void check() {
    const auto snapshot = context_.store->snapshot();
    require(snapshot->pods.size() == 1 && snapshot->containers.size() == 1);
    const auto record = context_.store->container(kContainer);
    require(record.has_value() && engine::container_from_json(engine::to_json(*record)).ok());
    if (record->state == engine::ContainerState::created) return;
    require(context_.store->update_container(kContainer, [](engine::ContainerRecord& old) { old = fresh(); }).ok());
  }

  std::string directory_;
  Guarded cgroups_;
  engine::Context context_;
  UniqueFd listener_, peer_;
  std::unique_ptr<engine::MonitorReader> reader_;
  std::shared_ptr<engine::MonitorLink> link_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool marked_ = false, lost_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  if (size == 0 || size > kMaxPacket) return 0;
  monitor::Packet parsed;
  if (parsed.ParseFromArray(data, static_cast<int>(size)) && parsed.reply().has_welcome()) world.greet(parsed.reply().welcome());
  world.hear(packet);
  return 0;
}
