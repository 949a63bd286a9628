#!/bin/bash
# 512 MiB and 1024 pids: the files say so, memory ends in OOMKilled and 137, forks stop. Swap, huge pages, and who ends with whom.
# timeout: 240
# seconds: 40
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

# No swap beside a memory limit, unless it is asked for; huge pages.
c=$(started limits "$pod" swapless "$busybox" '.linux.resources = {memory_limit_in_bytes: 67108864, hugepage_limits: [{page_size: "1GB", limit: 0}]}' sleep 1000)
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/memory.swap.max)" 0
c=$(started limits "$pod" swapping "$busybox" \
  '.linux.resources = {memory_limit_in_bytes: 67108864, memory_swap_limit_in_bytes: 100663296, hugepage_limits: [{page_size: "2MB", limit: 4194304}]}' sleep 1000)
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/memory.swap.max /sys/fs/cgroup/hugetlb.2MB.max)" "$(printf '33554432\n4194304')"

# New limits before the start are in force after it, also over a restart.
c=$(create limits "$pod" late "$busybox" '.linux.resources = {memory_limit_in_bytes: 67108864}' sleep 1000)
cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"memory_limit_in_bytes\": 134217728, \"cpu_quota\": 20000, \"oom_score_adj\": 77}}" >/dev/null
kill_slipwayd
start_slipwayd
assert_eq "$(status "$c" state) $(status "$c" resources.linux.memory_limit_in_bytes)" "CONTAINER_CREATED 134217728"
start "$c"
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max /sys/fs/cgroup/cpu.max /proc/1/oom_score_adj)" "$(printf '134217728\n0\n20000 100000\n77')" "limits set before the start"

# A child that takes too much ends alone, or with all of its container, as memory.oom.group says.
for group in 0 1; do
  c=$(run_to_end limits "$pod" "group$group" "$busybox" \
    ".linux.resources = {memory_limit_in_bytes: 33554432, unified: {\"memory.oom.group\": \"$group\"}}" sh -c 'tail /dev/zero; echo went on; exit 5')
  [[ $group == 0 ]] && want="5 went on" || want="137 "
  assert_eq "$(status "$c" exit_code) $(log_of limits "group$group" | grep 'went on' || true)" "$want" "memory.oom.group $group"
done
assert_eq "$(status "$c" reason)" OOMKilled
remove_pod "$pod"
