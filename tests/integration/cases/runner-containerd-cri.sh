#!/bin/bash
# timeout: 300
# containerd's CRI plugin with slipway as the runtime of its pods: a container's life, terminals, limits and their update, statistics, OOM, errors.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=SCRIPTDIR/../cri.sh
. "$LIB_DIR/cri.sh"

SOCKET=$CASE_DIR/containerd.sock
STATE=/run/runner-containerd-cri
cat >"$CASE_DIR/containerd.toml" <<END
version = 2
root = "$CASE_DIR/root"
state = "$STATE"
[grpc]
  address = "$SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$(image pause)"
  max_container_log_line_size = 16384
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "$CNI_BIN"
  conf_dir = "$CNI_CONF"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "slipway"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.slipway]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.slipway.options]
  BinaryName = "$(command -v slipway)"
END
start_registry http
cni_network
containerd --config "$CASE_DIR/containerd.toml" >"$CASE_DIR/containerd.log" 2>&1 &
daemon=$!
end_containerd() {
  kill "$daemon"
  wait "$daemon" || true
  umount "$STATE"/io.containerd.*/k8s.io/*/* 2>/dev/null
  rm -rf "$STATE" /var/lib/cni/results /var/lib/cni/cache
  rmdir /sys/fs/cgroup/k8s.io
}
at_exit eval end_containerd '2>/dev/null'
wait_for 30 "readiness of containerd" eval '[[ $(cri Status | jq -r ".status.conditions[] | select(.type == \"RuntimeReady\") | .status") == true ]]'
pull busybox >/dev/null
busybox=$(image busybox)

pod=$(run_pod p)
one=$(started p "$pod" one "$busybox" '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_quota: 50000, cpu_period: 100000}' \
  sh -c 'trap "exit 3" TERM; echo out; echo err >&2; while :; do sleep 0.05; done')
pid=$(cri ContainerStatus "{\"container_id\": \"$one\", \"verbose\": true}" | jq -r '.info.info | fromjson | .pid')
cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
assert_eq "$cgroup" "/sys/fs/cgroup/k8s.io/$one" "cgroup"
assert_eq "$(cat "$cgroup/memory.max" "$cgroup/cpu.max")" $'67108864\n50000 100000' "limits"
wait_for 10 "log" eval '[[ $(log_of p one | sort | tr "\n" " ") == "err out " ]]'
assert_eq "$(exec_sync "$one" sh -c 'echo to out; echo to err >&2; exit 9' | jq -r '"\(.stdout | @base64d)\(.stderr | @base64d)\(.exit_code)"')" $'to out\nto err\n9' "exec"
assert_fails "executable file not found" exec_sync "$one" no-such-program
cri UpdateContainerResources "{\"container_id\": \"$one\", \"linux\": {\"memory_limit_in_bytes\": 100663296, \"cpu_shares\": 1024}}" >/dev/null
assert_eq "$(cat "$cgroup/memory.max" "$cgroup/cpu.max" "$cgroup/cpu.weight")" $'100663296\n50000 100000\n100' "limits after the update"
assert_matches "$(cri ContainerStats "{\"container_id\": \"$one\"}" | jq -r .stats.memory.working_set_bytes.value)" '^[1-9][0-9]+$' "statistics"
stop_container "$one" 30
assert_eq "$(status "$one" exit_code) $(status "$one" reason)" "3 Error"
remove_container "$one"

tty=$(run_to_end p "$pod" tty "$busybox" '.tty = true' sh -c 'tty; exit 6')
assert_eq "$(status "$tty" exit_code) $(log_of p tty | tr -d '\r')" "6 /dev/pts/0" "a terminal"
oom=$(run_to_end p "$pod" oom "$busybox" '.linux.resources = {memory_limit_in_bytes: 16777216}' sh -c 'a=x; while :; do a=$a$a; done')
assert_eq "$(status "$oom" exit_code) $(status "$oom" reason)" "137 OOMKilled"
absent=$(create p "$pod" absent "$busybox" . no-such-program)
assert_fails "executable file not found" start "$absent"
assert_eq "$(status "$absent" reason)" StartError
never=$(create p "$pod" never "$busybox" . sleep 1000) # removed before its start
[[ -n $never ]]
stop_pod "$pod"
remove_pod "$pod"
assert_eq "$(cri ListContainers | jq '.containers | length')" 0 "containers that are left"
[[ -z $(slipway --root /run/containerd/runc/k8s.io list -q) ]] || fail "slipway still has a container"
[[ ! -e /sys/fs/cgroup/k8s.io/$one ]] || fail "a cgroup is left"
