// GetContainerEvents: the engine's events as messages, one at a time, with the statuses of the moment they are sent.
//
// Each stream has a worker of the lane for long waits, which blocks until there is an event and until the client has taken the one before.
// A subscriber that is too slow, and the end of slipwayd, end the stream with a status that says so.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "cri/backend.h"
#include "cri/v1/api.grpc.pb.h"

namespace slipway::cri {

namespace v1 = ::runtime::v1;

class EventStream final : public grpc::ServerWriteReactor<v1::ContainerEventResponse> {
 public:
  // Owns itself until gRPC and its worker are done with it.
  static grpc::ServerWriteReactor<v1::ContainerEventResponse>* start(Backend& backend);

  explicit EventStream(Backend& backend);
  void OnWriteDone(bool ok) override;
  void OnCancel() override { events_->cancel(); }
  void OnDone() override { self_.reset(); }

 private:
  void run();
  Error send_all();  // why it ended
  bool send(const engine::PodEvent& event);

  Backend& backend_;
  std::shared_ptr<EventStream> self_;
  std::unique_ptr<engine::PodEvents::Subscription> events_;
  std::mutex mutex_;
  std::condition_variable written_;
  std::optional<bool> write_;  // how the one on its way ended
};

// nullopt: nothing is known of its pod any more.
std::optional<v1::ContainerEventResponse> to_event(const engine::PodEvent& event, const Backend& backend);

}  // namespace slipway::cri
