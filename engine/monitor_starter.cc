// Clients over links.
#include "engine/monitor_starter.h"

#include <csignal>
#include <future>
#include <utility>

#include "sys/process.h"

namespace slipway::engine {
namespace {

// A monitor answers Hello within two seconds, also while a container is being made (monitor/pod.h). A hung one must not keep slipwayd from
// its start.
constexpr auto kAdoptTimeout = std::chrono::seconds(5);

class LinkClient final : public MonitorClient {
 public:
  explicit LinkClient(std::shared_ptr<MonitorLink> link) : MonitorClient(link->welcome()), link_(std::move(link)) {}
  ~LinkClient() override { link_->close(); }

  Result<MonitorReply> call(monitor::Request request, std::span<const int> fds, std::chrono::milliseconds timeout) override {
    return link_->call(std::move(request), fds, timeout);
  }
  Result<void> acknowledge(std::uint64_t sequence) override { return link_->acknowledge(sequence); }
  void close() override { link_->close(); }

 private:
  std::shared_ptr<MonitorLink> link_;
};

// Events may come the moment after Welcome, before there is a client to hand to the hooks: the reader waits those microseconds.
struct Gate {
  std::promise<std::weak_ptr<MonitorClient>> opened;
  std::shared_future<std::weak_ptr<MonitorClient>> client = opened.get_future().share();
};

}  // namespace

Result<std::unique_ptr<ProgramStarter>> ProgramStarter::open(const std::string& program, std::chrono::milliseconds timeout) {
  TRY_ASSIGN(MonitorProgram opened, MonitorProgram::open(program));
  TRY_ASSIGN(std::unique_ptr<MonitorReader> reader, MonitorReader::start());
  return std::unique_ptr<ProgramStarter>(new ProgramStarter(std::move(opened), std::move(reader), timeout));
}

Result<std::shared_ptr<MonitorClient>> ProgramStarter::connect(const std::string& directory, std::uint64_t last_sequence,
                                                               std::chrono::milliseconds timeout, MonitorHooks hooks) {
  auto gate = std::make_shared<Gate>();
  auto shared = std::make_shared<MonitorHooks>(std::move(hooks));
  MonitorCallbacks callbacks;
  callbacks.on_event = [gate, shared](const monitor::Event& event) {
    const auto client = gate->client.get().lock();
    if (client != nullptr && shared->on_event) shared->on_event(*client, event);
  };
  callbacks.on_lost = [gate, shared](const Error&) {
    if (gate->client.get().lock() != nullptr && shared->on_lost) shared->on_lost();
  };
  auto link = MonitorLink::connect(*reader_, directory + "/monitor.sock", last_sequence, std::move(callbacks), timeout);
  if (!link.ok()) {
    gate->opened.set_value({});
    return std::move(link).error();
  }
  std::shared_ptr<MonitorClient> client = std::make_shared<LinkClient>(std::move(link).take());
  gate->opened.set_value(client);
  return client;
}

Result<std::shared_ptr<MonitorClient>> ProgramStarter::start(const monitor::PodConfig& config, MonitorHooks hooks) {
  TRY_ASSIGN(const monitor::Welcome welcome, program_.spawn(config, timeout_));
  auto client = connect(config.directory(), 0, timeout_, std::move(hooks));
  if (client.ok()) return client;
  // It lives but does not talk: what it mounted is found by the pod's id and taken back by whoever asked for it.
  if (const auto pidfd = sys::pidfd_open(static_cast<pid_t>(welcome.monitor_pid())); pidfd.ok())
    (void)sys::pidfd_send_signal(pidfd.value(), SIGKILL);
  return std::move(client).error();
}

Result<std::shared_ptr<MonitorClient>> ProgramStarter::adopt(const std::string& pod_id, const std::string& directory,
                                                             std::uint64_t last_sequence, MonitorHooks hooks) {
  TRY_ASSIGN(std::shared_ptr<MonitorClient> client, connect(directory, last_sequence, kAdoptTimeout, std::move(hooks)));
  if (client->welcome().pod_id() == pod_id) return client;
  client->close();
  return fail(Code::data_loss, "the monitor in '{}' is pod '{}'s, not '{}'s", directory, client->welcome().pod_id(), pod_id);
}

}  // namespace slipway::engine
