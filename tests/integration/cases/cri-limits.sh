#!/bin/bash
# 512 MiB and 1024 pids: the files say so, memory ends in OOMKilled and 137, forks stop.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
start_slipwayd
busybox=$(pull busybox)
host='.linux.security_context.namespace_options = {network: "NODE", pid: "CONTAINER"}'
pod=$(run_pod limits "$host")
limits='.linux.resources = {memory_limit_in_bytes: 536870912, unified: {"pids.max": "1024"}}'

c=$(started limits "$pod" limited "$busybox" "$limits" sleep 1000)
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max)" "$(printf '536870912\n1024')"
# Past the second: the shell says so and lives.
forks=$(exec_sync "$c" sh -c 'i=0; while [ $i -lt 1100 ]; do sleep 60 & i=$((i+1)); done; echo forked all')
assert_contains "$(jq -r '.stderr | @base64d' <<<"$forks")" "fork" "what the shell says past 1024 processes"
assert_lacks "$(jq -r '.stdout | @base64d' <<<"$forks")" "forked all"
stop_container "$c" 0
assert_eq "$(status "$c" exit_code)" 137

# Past the first. A small limit first, to be quick under emulation; then the one of the issue.
for bytes in 33554432 536870912; do
  eater=$(run_to_end limits "$pod" "eater$bytes" "$busybox" ".linux.resources = {memory_limit_in_bytes: $bytes, memory_swap_limit_in_bytes: $bytes}" \
    sh -c 'dd if=/dev/zero of=/dev/shm/fill bs=1M count=30 2>/dev/null; exec tail /dev/zero')
  assert_eq "$(status "$eater" reason)" OOMKilled "reason at $bytes"
  assert_eq "$(status "$eater" exit_code)" 137 "exit code at $bytes"
done
remove_pod "$pod"
