// cAdvisor's metrics over CRI: the same names, and the labels that dashboards select by.
//
// Pure. One table says each metric once: name, help, kind, labels of its own, and how it is read; descriptors and values come from it, so
// they cannot differ. The values of a metric's labels are in the order of its descriptor's keys: container, id, image, name, namespace,
// pod, then its own.
#pragma once

#include "cri/v1/api.pb.h"
#include "engine/engine.h"

namespace slipway::cri {

namespace v1 = ::runtime::v1;

v1::ListMetricDescriptorsResponse metric_descriptors();
// The pod's own (its cgroup, its links) with the labels container, image and name empty, as cAdvisor has them; then its containers'.
v1::PodSandboxMetrics to_metrics(const engine::PodUsage& usage);

}  // namespace slipway::cri
