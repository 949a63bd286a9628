// How much went over the links of a network namespace (proc_net(5), /proc/net/dev).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

struct LinkCounters {
  std::string name;
  std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

// Pure. At most 64; backslashes and bytes of a name that are not printable ASCII become \xNN.
Result<std::vector<LinkCounters>> parse_link_counters(std::string_view text);

// Without the loopback. The calling thread is in that namespace afterwards: for one that ends then (setns(2)).
Result<std::vector<LinkCounters>> enter_and_read_link_counters(FdRef network_namespace);

}  // namespace slipway::sys
