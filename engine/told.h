// The lines that slipwayd's log has of every pod and container: who, and how long it took.
//
// Any thread. An operation logs once, when its effect is recorded; one that found nothing to do is silent.
#pragma once

#include "base/log.h"
#include "base/time.h"
#include "engine/types.h"

namespace slipway::engine {

inline std::int64_t ms_since(MonotonicNanos begun) {
  return (now_monotonic() - begun) / 1'000'000;
}

inline void tell_pod(std::string_view what, const PodRecord& pod, MonotonicNanos begun) {
  log::event(what, {{"pod", pod.id}, {"name", pod.spec.metadata.namespace_ + "/" + pod.spec.metadata.name}, {"ms", ms_since(begun)}});
}

inline void tell_container(std::string_view what, const ContainerRecord& container, MonotonicNanos begun) {
  log::event(what,
             {{"container", container.id}, {"name", container.spec.metadata.name}, {"pod", container.pod_id}, {"ms", ms_since(begun)}});
}

// `ms` is how long it ran.
inline void tell_exit(const ContainerRecord& container) {
  const std::int64_t ran = container.started_at == 0 ? 0 : (container.finished_at - container.started_at) / 1'000'000;
  log::event("container exited", {{"container", container.id},
                                  {"name", container.spec.metadata.name},
                                  {"pod", container.pod_id},
                                  {"code", container.exit_code},
                                  {"reason", container.reason},
                                  {"ms", ran}});
}

}  // namespace slipway::engine
