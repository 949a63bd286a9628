#!/bin/bash
# Runtime handlers with the systemd driver: crun and runc make slipway's scopes; OOM, updates, plain cgroups beneath a slice, the end.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
. "$(dirname "$0")/../systemd.sh"
start_registry
cat >"$CASE_DIR/config.toml" <<END
cgroup_driver = "systemd"
[runtimes.crun]
binary = "/usr/bin/crun"
[runtimes.runc]
binary = "$(command -v runc)"
[runtimes.plain]
binary = "/usr/bin/crun"
cgroup_manager = "cgroupfs"
END
start_slipwayd --config "$CASE_DIR/config.toml"
busybox=$(pull busybox)
slice=casepods-pod1.slice
parent_slice "$slice"
host=".linux.security_context.namespace_options = {network: \"NODE\", pid: \"CONTAINER\"} | .linux.cgroup_parent = \"$slice\""
run_in() { # run_in HANDLER
  mkdir -p "$CASE_DIR/logs/$1"
  cri RunPodSandbox "$(jq -n --argjson config "$(pod_config "$1" "$host")" --arg handler "$1" '{config: $config, runtime_handler: $handler}')" | jq -r .pod_sandbox_id
}
for handler in crun runc plain; do
  echo "$SECONDS s: $handler"
  pod=$(run_in "$handler")
  base=/casepods.slice/$slice/${slice%.slice}-${pod:0:40}.slice
  c=$(started "$handler" "$pod" main "$busybox" '.linux.resources = {memory_limit_in_bytes: 67108864, unified: {"pids.max": "77"}}' sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done')
  scope=slipway-$c.scope
  [[ $handler == plain ]] && leaf=$c || leaf=$scope
  assert_eq "$(cgroup_of "$(pid_of "$c")")" "$base/$leaf"
  at=/sys/fs/cgroup$base/$leaf
  assert_eq "$(<"$at/memory.max") $(<"$at/pids.max")" "67108864 77"
  # crun 1.8 writes into the scope's cgroup past systemd.
  [[ $handler != runc ]] || assert_eq "$(property "$scope" MemoryMax)" 67108864
  assert_eq "$(exec_out "$c" echo good)" good
  assert_matches "$(cri ContainerStats "{\"container_id\": \"$c\"}" | jq -r .stats.memory.usage_bytes.value)" '^[1-9]'
  cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"memory_limit_in_bytes\": 134217728}}" >/dev/null
  assert_eq "$(<"$at/memory.max")" 134217728
  stop_container "$c" 20
  assert_eq "$(status "$c" exit_code)" 5
  wait_for 10 "end of the scope" unit_gone "$scope"
  eater=$(run_to_end "$handler" "$pod" eater "$busybox" ".linux.resources = {memory_limit_in_bytes: 33554432}" tail /dev/zero)
  assert_eq "$(status "$eater" reason) $(status "$eater" exit_code)" "OOMKilled 137"
  killed=$(started "$handler" "$pod" killed "$busybox" . sleep 1000)
  remove_container "$killed"
  remove_pod "$pod"
  [[ ! -e /sys/fs/cgroup$base ]] || fail "$base is there"
done
