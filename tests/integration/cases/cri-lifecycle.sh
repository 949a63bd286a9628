#!/bin/bash
# A pod's and a container's whole life by CRI calls, each repeated where the kubelet repeats it.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd

assert_eq "$(cri Version | jq -r '[.version, .runtime_name, .runtime_api_version] | join(" ")')" "0.1.0 slipway v1"
assert_eq "$(cri Status | jq -r '[.status.conditions[] | .type, .status] | join(" ")')" "RuntimeReady true NetworkReady true"
assert_eq "$(cri Status | jq -r '.runtime_handlers[0].name')" ""
assert_eq "$(cri RuntimeConfig | jq -r .linux.cgroup_driver)" CGROUPFS

busybox=$(pull busybox)
assert_matches "$busybox" '^sha256:[0-9a-f]{64}$'
assert_eq "$(cri ListImages | jq -r '.images[0].repo_tags[0]')" "$(image busybox)"
assert_eq "$(cri ImageStatus "$(jq -n --arg i "$(image busybox)" '{image: {image: $i}}')" | jq -r .image.id)" "$busybox"
assert_eq "$(cri ImageStatus '{"image": {"image": "127.0.0.1:5000/no/such:1"}}' | jq -r '.image')" null
assert_le 1 "$(cri ImageFsInfo | jq -r '.image_filesystems[0].used_bytes.value')" "bytes of images"

dns='.dns_config = {servers: ["10.0.0.10"], searches: ["a.svc", "svc"], options: ["ndots:5"]}'
pod=$(run_pod web "$dns")
assert_matches "$pod" '^[0-9a-f]{64}$'
assert_eq "$(run_pod web "$dns")" "$pod" "a repeated RunPodSandbox"
sandbox=$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}")
assert_eq "$(jq -r '[.status.state, .status.metadata.uid, .status.labels.app, .status.annotations.note] | join("|")' <<<"$sandbox")" "SANDBOX_READY|uid-web|web|kept as sent"
address=$(jq -r .status.network.ip <<<"$sandbox")
assert_matches "$address" '^10\.88\.0\.[0-9]+$'
assert_eq "$(cri ListPodSandbox '{"filter": {"label_selector": {"app": "web"}, "state": {"state": "SANDBOX_READY"}}}' | jq '.items | length')" 1
assert_eq "$(cri ListPodSandbox '{"filter": {"label_selector": {"app": "other"}}}' | jq '.items | length')" 0

c=$(create web "$pod" main "$busybox" '.' sh -c 'trap "echo bye; exit 3" TERM; echo out; echo err >&2; printf partial; while :; do sleep 0.1; done')
assert_eq "$(create web "$pod" main "$busybox" '.' sh -c 'trap "echo bye; exit 3" TERM; echo out; echo err >&2; printf partial; while :; do sleep 0.1; done')" "$c" "a repeated CreateContainer"
assert_eq "$(status "$c" state)" CONTAINER_CREATED
start "$c"
assert_fails FAILED_PRECONDITION start "$c"
assert_eq "$(status "$c" state)" CONTAINER_RUNNING
assert_eq "$(status "$c" image_id)" "$busybox"
assert_eq "$(cri ListContainers "{\"filter\": {\"pod_sandbox_id\": \"$pod\"}}" | jq -r '.containers[0].id')" "$c"

assert_eq "$(exec_out "$c" hostname)" web
assert_eq "$(exec_out "$c" cat /etc/hostname /etc/resolv.conf)" "$(printf 'web\nsearch a.svc svc\nnameserver 10.0.0.10\noptions ndots:5')" "the pod's name and resolver"
assert_matches "$(exec_out "$c" cat /etc/hosts)" "${address//./\\.}[[:space:]]+web" "the pod's own line in /etc/hosts"
assert_eq "$(exec_out "$c" sh -c 'ip -o -4 addr show dev eth0 | grep -o "inet [0-9.]*"')" "inet $address"
reply=$(exec_sync "$c" sh -c 'echo o; echo e >&2; exit 7')
assert_eq "$(jq -r '[.exit_code, (.stdout | @base64d), (.stderr | @base64d)] | @json' <<<"$reply")" '[7,"o\n","e\n"]'
assert_fails DEADLINE_EXCEEDED cri ExecSync "{\"container_id\": \"$c\", \"cmd\": [\"sh\", \"-c\", \"sleep 100 & sleep 100\"], \"timeout\": 1}"
assert_le 1 "$(cri ContainerStats "{\"container_id\": \"$c\"}" | jq -r .stats.memory.working_set_bytes.value)" "working set"
assert_eq "$(cri ListContainerStats | jq '.stats | length')" 1

cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"memory_limit_in_bytes\": 268435456}}" >/dev/null
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/memory.max)" 268435456
cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"cpu_quota\": 50000, \"cpu_period\": 100000}}" >/dev/null
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max)" "$(printf '268435456\n50000 100000')" "an update is a patch"
cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"cpu_period\": 200000}}" >/dev/null
assert_eq "$(exec_out "$c" cat /sys/fs/cgroup/cpu.max)" "50000 200000" "a period alone leaves the quota"

log=$(status "$c" log_path)
assert_matches "$(head -n 1 "$log")" '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+) stdout F out$'
assert_contains "$(cat "$log")" ' stderr F err'
mv "$log" "$log.old"
cri ReopenContainerLog "{\"container_id\": \"$c\"}" >/dev/null
[[ -e $log ]] || fail "no log after ReopenContainerLog"

stop_container "$c" 20
assert_eq "$(status "$c" exit_code)" 3
assert_eq "$(status "$c" reason)" Error
assert_contains "$(cat "$log" "$log.old")" 'partialbye'
stop_container "$c"
nosuch=$(create web "$pod" nosuch "$busybox" '.' /no/such/program)
assert_fails "/no/such/program" start "$nosuch"
assert_eq "$(status "$nosuch" state) $(status "$nosuch" reason) $(status "$nosuch" exit_code)" "CONTAINER_EXITED StartError 128" "a program that is not there"
remove_container "$nosuch"

# Until its start a container is files alone: no process, no cgroup; who stops it then finds it ended.
waits=$(create web "$pod" waits "$busybox" '.' sleep 1000)
assert_eq "$(find /sys/fs/cgroup -name "*$waits*" | wc -l)" 0 "cgroups of a container that was not started"
stop_container "$waits" 30
assert_eq "$(status "$waits" state) $(status "$waits" reason) $(status "$waits" exit_code)" "CONTAINER_EXITED Error 137" "one that was stopped before its start"
assert_fails FAILED_PRECONDITION start "$waits"
remove_container "$waits"
remove_container "$c"
remove_container "$c"
assert_fails NOT_FOUND status "$c" state
[[ -e $log ]] || fail "RemoveContainer took the log, which is the kubelet's"

# CRI's own stop signal goes before TERM.
signalled=$(started web "$pod" signalled "$busybox" '.stop_signal = "SIGNAL_SIGUSR1"' \
  sh -c 'trap "exit 6" USR1; trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done')
wait_for 20 "its traps" grep -qs ready "$CASE_DIR/logs/web/signalled.log"
stop_container "$signalled"
assert_eq "$(status "$signalled" exit_code) $(status "$signalled" stop_signal)" "6 SIGNAL_SIGUSR1"
remove_container "$signalled"

running=$(started web "$pod" second "$busybox" '.' sleep 1000)
stop_pod "$pod"
stop_pod "$pod"
assert_eq "$(status "$running" state)" CONTAINER_EXITED
assert_eq "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.state)" SANDBOX_NOTREADY
remove_pod "$pod"
remove_pod "$pod"
stop_pod "$pod"
assert_fails NOT_FOUND cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}"
assert_fails NOT_FOUND status "$running" state

assert_fails UNIMPLEMENTED cri CheckpointPod
assert_fails INVALID_ARGUMENT cri RunPodSandbox "$(jq -n --argjson c "$(pod_config odd)" '{config: $c, runtime_handler: "nosuch"}')"
cri RemoveImage "$(jq -n --arg i "$busybox" '{image: {image: $i}}')" >/dev/null
cri RemoveImage "$(jq -n --arg i "$busybox" '{image: {image: $i}}')" >/dev/null
assert_eq "$(cri ListImages | jq '.images | length')" 0
[[ -z $(ls "$CASE_DIR/root/layers" 2>/dev/null) ]] || fail "layers are left: $(ls "$CASE_DIR/root/layers")"
