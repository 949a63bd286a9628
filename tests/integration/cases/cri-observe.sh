#!/bin/bash
# What the kubelet watches a node by: events, statistics of pods, cAdvisor's metrics; and resources as they were applied.
# timeout: 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
cat >"$CASE_DIR/config.toml" <<TOML
[cni]
conf_template = "$CASE_DIR/template"
TOML
start_slipwayd --config "$CASE_DIR/config.toml"
busybox=$(pull busybox)

# Nobody listens while the pod is made: its events are kept, and carry what is true when they are told.
pod=$(run_pod watched)
c=$(started watched "$pod" main "$busybox" '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_shares: 512, cpu_quota: 50000, cpu_period: 100000}' \
  sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done')
events=$CASE_DIR/events
cri GetContainerEvents >"$events" 2>"$events.end" &
listener=$!
told() { [[ $(wc -l <"$events") -ge $1 ]]; }
wait_for 20 "four events" told 4
assert_eq "$(jq -r '[.container_event_type, (if .container_id == $pod then "pod" else "main" end), .containers_statuses[0].state] | join(" ")' --arg pod "$pod" "$events")" \
  "CONTAINER_CREATED_EVENT pod CONTAINER_RUNNING
CONTAINER_STARTED_EVENT pod CONTAINER_RUNNING
CONTAINER_CREATED_EVENT main CONTAINER_RUNNING
CONTAINER_STARTED_EVENT main CONTAINER_RUNNING" "what was kept"

# Statistics: the pod's cgroup, its links as the pod itself sees them, its processes, pressure.
exec_out "$c" ping -c 1 10.88.0.1 >/dev/null
inside=$(exec_out "$c" cat /sys/class/net/eth0/statistics/rx_bytes)
stats=$(cri PodSandboxStats "{\"pod_sandbox_id\": \"$pod\"}" | jq .stats)
assert_eq "$(jq -r '.attributes.metadata.name, .linux.network.default_interface.name, .linux.containers[0].attributes.id' <<<"$stats")" "watched
eth0
$c"
assert_le "$inside" "$(jq -r .linux.network.default_interface.rx_bytes.value <<<"$stats")" "bytes that eth0 received"
assert_le 1 "$(jq -r .linux.process.process_count.value <<<"$stats")" "processes"
assert_le 1 "$(jq -r .linux.cpu.usage_core_nano_seconds.value <<<"$stats")" "CPU time"
assert_le 1 "$(jq -r .linux.containers[0].memory.working_set_bytes.value <<<"$stats")" "working set"
[[ ! -e /proc/pressure/cpu ]] || assert_eq "$(jq -r '.linux.cpu.psi.Some | has("Total")' <<<"$stats")" true "PSI"
assert_eq "$(cri ListPodSandboxStats | jq '.stats | length')" 1
assert_eq "$(cri StreamPodSandboxStats | jq -r '.pod_sandbox_stats[0].attributes.id')" "$pod"
assert_eq "$(cri StreamContainers | jq -r '.containers[0].id')" "$c"

# Metrics: every value has its descriptor, and as many labels.
cri ListMetricDescriptors >"$CASE_DIR/descriptors"
cri ListPodSandboxMetrics >"$CASE_DIR/metrics"
assert_eq "$(jq -r --slurpfile d "$CASE_DIR/descriptors" '($d[0].descriptors | map({(.name): (.label_keys | length)}) | add) as $keys |
  [.pod_metrics[] | .metrics[], .container_metrics[].metrics[] | select((.label_values | length) != $keys[.name]) | .name] | length' "$CASE_DIR/metrics")" 0 "metrics without a descriptor that fits"
assert_eq "$(jq -r '.pod_metrics[0].container_metrics[0].metrics[] | select(.name == "container_spec_memory_limit_bytes") | .label_values[0], .label_values[4], .label_values[5], .value.value' "$CASE_DIR/metrics")" \
  "main
default
watched
67108864"
metric() { jq -r --arg name "$1" '.pod_metrics[0].container_metrics[0].metrics[] | select(.name == $name) | .value.value' "$CASE_DIR/metrics"; }
assert_le 3 "$(metric container_file_descriptors)" "open descriptors"
assert_le "$(metric container_fs_inodes_free)" "$(metric container_fs_inodes_total)" "inodes of the layer's file system"
assert_le "$(metric container_fs_usage_bytes)" "$(metric container_fs_limit_bytes)" "bytes of the layer's file system"
assert_le "$inside" "$(jq -r '.pod_metrics[0].metrics[] | select(.name == "container_network_receive_bytes_total") | .value.value' "$CASE_DIR/metrics")" "bytes by metric"

# A patch: what it does not name stays, and the status says what was applied.
cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"cpuset_cpus\": \"0\"}}" >/dev/null
cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"memory_limit_in_bytes\": 134217728}}" >/dev/null
assert_eq "$(status "$c" 'resources.linux | .cpu_shares, .cpu_quota, .cpuset_cpus, .memory_limit_in_bytes' | tr '\n' ' ')" "512 50000 0 134217728 "
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max)" "$(printf '134217728\n50000 100000')"
cri UpdatePodSandboxResources "{\"pod_sandbox_id\": \"$pod\", \"resources\": {\"memory_limit_in_bytes\": 134217728}}" >/dev/null
assert_fails NOT_FOUND cri UpdatePodSandboxResources "{\"pod_sandbox_id\": \"$(printf 'e%.0s' {1..64})\", \"resources\": {}}"

# The node's pod CIDR becomes a configuration; a template that cannot be one does not.
echo '{"cniVersion": "0.4.0", "name": "made", "plugins": [{"type": "bridge", "ipam": {"type": "host-local", "ranges": {{.PodCIDRRanges}}}}]}' >"$CASE_DIR/template"
assert_fails INVALID_ARGUMENT cri UpdateRuntimeConfig '{"runtime_config": {"network_config": {"pod_cidr": "10.1.0.0"}}}'
cri UpdateRuntimeConfig '{"runtime_config": {"network_config": {"pod_cidr": "10.1.0.0/24"}}}' >/dev/null
assert_eq "$(jq -c '.plugins[0].ipam.ranges' "$CNI_CONF/10-slipway.conflist")" '[[{"subnet":"10.1.0.0/24"}]]'
rm "$CNI_CONF/10-slipway.conflist"

# The end: a container's exit, and a pod that is gone, whose last event still says whose it was.
stop_container "$c"
wait_for 20 "the exit's event" told 5
assert_eq "$(tail -n 1 "$events" | jq -r '[.container_event_type, .containers_statuses[0].exit_code, .containers_statuses[0].reason] | join(" ")')" "CONTAINER_STOPPED_EVENT 3 Error"
remove_pod "$pod"
wait_for 20 "all events" told 8
assert_eq "$(tail -n 1 "$events" | jq -r '[.container_event_type, .pod_sandbox_status.metadata.name, .pod_sandbox_status.state] | join(" ")')" "CONTAINER_DELETED_EVENT watched SANDBOX_NOTREADY"
assert_fails NOT_FOUND cri PodSandboxStats "{\"pod_sandbox_id\": \"$pod\"}"
stop_slipwayd
wait "$listener" && fail "the listener of a slipwayd that ended was told nothing"
assert_contains "$(<"$events.end")" UNAVAILABLE
