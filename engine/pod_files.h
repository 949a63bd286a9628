// The files that a pod's containers share: resolv.conf, hosts, hostname. Pure text, then written.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/paths.h"
#include "engine/types.h"

namespace slipway::engine {

// What becomes a line of a file may not hold control characters (attack 35); invalid_argument names the field.
Result<void> check_pod_text(const PodSpec& spec);

std::string render_resolv_conf(const DnsConfig& dns);
std::string render_hosts(const std::string& hostname, const std::vector<std::string>& ips);

// `hostname` is what the pod's containers see. With the host's network, and resolv.conf without a DNS configuration: the host's.
// What `hostname` says in the pod: its own, else what begins its id; the host's with the host's network.
std::string pod_hostname(const PodRecord& pod, const std::string& host);

Result<void> write_pod_files(const PodSpec& spec, const PodPaths& paths, const std::string& hostname, const std::vector<std::string>& ips);

}  // namespace slipway::engine
