// The reactor of GetContainerEvents.
#include "cri/event_stream.h"

#include <utility>

#include "base/time.h"
#include "cri/answer.h"
#include "cri/to_proto.h"

namespace slipway::cri {

std::optional<v1::ContainerEventResponse> to_event(const engine::PodEvent& event, const Backend& backend) {
  const auto view = backend.engine.view(event.pod_id);
  if (!view.ok()) return std::nullopt;
  v1::ContainerEventResponse out;
  out.set_container_id(event.id);
  out.set_container_event_type(static_cast<v1::ContainerEventType>(event.type));
  out.set_created_at(event.at);
  *out.mutable_pod_sandbox_status() = to_status(view.value().pod);
  for (const auto& container : view.value().containers) {
    const auto image = backend.images.find(container.image_id);
    *out.add_containers_statuses() = to_status(container, image.ok() ? &image.value() : nullptr);
  }
  return out;
}

EventStream::EventStream(Backend& backend) : backend_(backend), events_(backend.engine.events().subscribe(now_realtime())) {}

grpc::ServerWriteReactor<v1::ContainerEventResponse>* EventStream::start(Backend& backend) {
  auto stream = std::make_shared<EventStream>(backend);
  stream->self_ = stream;
  const auto posted = backend.workers.post(Lane::wait, [stream] { stream->run(); });
  if (!posted.ok()) stream->Finish(to_status(posted.error()));
  return stream.get();
}

void EventStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  write_ = ok;
  written_.notify_all();
}

void EventStream::run() {
  const Error why = send_all();
  events_->leave();  // before the client knows: what was not sent is the next subscriber's
  Finish(to_status(why));
}

Error EventStream::send_all() {
  for (;;) {
    events_->wait();
    const auto event = events_->front();
    if (!event.ok()) return event.error();
    if (event.value() && !send(*event.value())) return fail(Code::cancelled, "the subscriber has gone");
    events_->pop();
  }
}

bool EventStream::send(const engine::PodEvent& event) {
  const auto message = to_event(event, backend_);
  if (!message) return true;
  StartWrite(&*message);
  std::unique_lock lock(mutex_);
  written_.wait(lock, [this] { return write_.has_value(); });
  return *std::exchange(write_, std::nullopt);
}

}  // namespace slipway::cri
