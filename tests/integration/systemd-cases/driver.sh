#!/bin/bash
# The systemd driver: slices and scopes, limits that a daemon-reload leaves, device rules too, OOM, updates, errors, the end.
# timeout: 200
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
. "$(dirname "$0")/../systemd.sh"
start_registry
start_slipwayd --cgroup-driver systemd
assert_eq "$(cri RuntimeConfig | jq -r .linux.cgroup_driver)" SYSTEMD
busybox=$(pull busybox)
slice=casepods-burstable-podfe_1.slice
parent_slice "$slice"
host=".linux.security_context.namespace_options = {network: \"NODE\", pid: \"CONTAINER\"} | .linux.cgroup_parent = \"$slice\""

# The kubelet's own spelling is the whole path; a path that is not where systemd has the slice, or the other driver's syntax, is named.
assert_fails "cgroup_parent '/kubepods/podX' is not a systemd slice" run_pod odd "$host | .linux.cgroup_parent = \"/kubepods/podX\""
assert_fails "/a.slice/a-b.slice" run_pod odd "$host | .linux.cgroup_parent = \"/elsewhere/a-b.slice\""
assert_fails "a part between dashes is empty" run_pod odd "$host | .linux.cgroup_parent = \"a--b.slice\""
pod=$(run_pod driver "$host | .linux.cgroup_parent = \"/casepods.slice/casepods-burstable.slice/$slice\"")
name=${pod:0:40} # the pod's own cgroup, whose name is no id (engine/cgroup_names.h)
base=/casepods.slice/casepods-burstable.slice/$slice/${slice%.slice}-$name.slice

limits='.linux.resources = {memory_limit_in_bytes: 268435456, cpu_shares: 512, cpu_quota: 12345, cpu_period: 100000, cpuset_cpus: "0",
  unified: {"pids.max": "77", "memory.high": "200000000", "memory.oom.group": "1"}, hugepage_limits: [{page_size: "2MB", limit: 0}]}'
c=$(started driver "$pod" main "$busybox" "$limits" sh -c 'sleep 1000 & wait')
scope=slipway-$c.scope
at=/sys/fs/cgroup$base/$scope
assert_eq "$(cgroup_of "$(pid_of "$c")")" "$base/$scope"
assert_eq "$(property "$scope" Slice)" "${slice%.slice}-$name.slice"
assert_eq "$(property "$scope" Delegate)" yes
assert_eq "$(property "$scope" MemoryMax)" 268435456
assert_eq "$(property "$scope" TasksMax)" 77
assert_eq "$(property "$scope" CPUWeight)" 59
assert_eq "$(property "$scope" AllowedCPUs)" 0
assert_contains "$(property "$scope" After)" slipwayd.service
assert_eq "$(exec_out "$c" cat /proc/1/cgroup)" 0::/ "the container's own view"

files() { (cd "$at" && grep -H . memory.oom.group memory.max memory.high memory.swap.max cpu.weight pids.max cpuset.cpus); }
before=$(files)
assert_contains "$before" "memory.max:268435456"
assert_contains "$before" "memory.oom.group:1"
assert_contains "$before" "cpu.weight:59"
assert_eq "$(<"$at/cpu.max")" "12345 100000"
devices() { exec_out "$c" sh -c 'mknod /k c 1 11 2>&1; head -c 1 /k 2>&1 >/dev/null; rm -f /k; head -c 1 /dev/zero | wc -c'; }
assert_contains "$(devices)" "Operation not permitted" "kmsg before a reload"
for verb in daemon-reload daemon-reexec; do
  systemctl "$verb"
  # What systemd leaves for later happens before it answers the second question.
  systemctl is-system-running >/dev/null || true
  assert_eq "$(files)" "$before" "the limits after $verb"
  # systemd keeps whole percents: what is left is not less than what was asked for, and less than a percent more.
  quota=$(cut -d' ' -f1 "$at/cpu.max")
  assert_le 12345 "$quota" "quota after $verb"
  assert_le "$quota" 13000 "quota after $verb"
  assert_contains "$(devices)" "Operation not permitted" "kmsg after $verb"
  assert_matches "$(devices)" '1$' "zero after $verb"
done

# An update is the unit's too.
cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"memory_limit_in_bytes\": 134217728, \"cpu_period\": 50000}}" >/dev/null
assert_eq "$(<"$at/memory.max") $(<"$at/cpu.max")" "134217728 12345 50000"
assert_eq "$(property "$scope" MemoryMax)" 134217728
systemctl daemon-reload
assert_eq "$(<"$at/memory.max")" 134217728 "an updated limit after a reload"
assert_fails "in use" cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"memory_limit_in_bytes\": 4096}}"
assert_eq "$(property "$scope" MemoryMax)" 134217728 "after an update that failed"
assert_le 1 "$(cri ContainerStats "{\"container_id\": \"$c\"}" | jq -r .stats.memory.working_set_bytes.value)" "working set"

eater=$(run_to_end driver "$pod" eater "$busybox" '.linux.resources = {memory_limit_in_bytes: 33554432, memory_swap_limit_in_bytes: 33554432}' \
  sh -c 'dd if=/dev/zero of=/dev/shm/fill bs=1M count=30 2>/dev/null; exec tail /dev/zero')
assert_eq "$(status "$eater" reason) $(status "$eater" exit_code)" "OOMKilled 137"
wait_for 10 "end of the eater's scope" unit_gone "slipway-$eater.scope"
# One process killed at the limit is no reason to end the others.
child=$(started driver "$pod" child "$busybox" '.linux.resources = {memory_limit_in_bytes: 33554432, memory_swap_limit_in_bytes: 33554432}' \
  sh -c 'tail /dev/zero; echo survived $?; sleep 1000')
wait_for 60 "survivor" grep -q 'survived 137' "$CASE_DIR/logs/driver/child.log"
assert_eq "$(status "$child" state)" CONTAINER_RUNNING
assert_eq "$(property "slipway-$child.scope" ActiveState)" active "the scope after an OOM kill in it"
assert_eq "$(status "$c" state)" CONTAINER_RUNNING "the pod's other container"
assert_eq "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.state)" SANDBOX_READY
assert_eq "$(property "slipway-$child.scope" OOMPolicy)" continue

failed=$(started driver "$pod" nosuch "$busybox" . /no/such/program 2>&1 || true)
assert_contains "$failed" /no/such/program "a program that is not there"
failed=$(started driver "$pod" badlimit "$busybox" '.linux.resources = {unified: {"memory.nonsense": "1"}}' true 2>&1 || true)
assert_contains "$failed" memory.nonsense "a limit that no file takes"
assert_eq "$(find "/sys/fs/cgroup$base" -mindepth 1 -type d | wc -l)" 2 "cgroups after creations that failed"

stop_container "$c" 0
wait_for 10 "end of the scope" unit_gone "$scope"
remove_container "$c"
remove_container "$eater"
stop_pod "$pod"
remove_pod "$pod"
assert_eq "$(systemctl list-units --all --plain --no-legend 'slipway-*.scope' "*$pod*")" "" "units that are left"
