#!/bin/bash
# Runtime handlers: the life of a pod by Debian's crun and by runc, OOM, updates, terminals, restarts, deaths in the middle; nothing stays.
# timeout: 420
# seconds: 150
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
cat >"$CASE_DIR/config.toml" <<END
[runtimes.crun]
binary = "/usr/bin/crun"
[runtimes.runc]
binary = "$(command -v runc)"
root = "/run/runc-case"
END
at_exit rm -rf /run/runc-case
start_slipwayd --config "$CASE_DIR/config.toml"
busybox=$(pull busybox)
run_in() { # run_in HANDLER POD [JQ]
  mkdir -p "$CASE_DIR/logs/$2"
  cri RunPodSandbox "$(jq -n --argjson config "$(pod_config "$2" "${3:-.}")" --arg handler "$1" '{config: $config, runtime_handler: $handler}')" | jq -r .pod_sandbox_id
}
stream() { "$LIB_DIR/stream_client.py" "$@"; }
in_container() { cri ContainerStatus "{\"container_id\": \"$1\", \"verbose\": true}" | jq -r '.info | to_entries[0].value | fromjson | .pid'; }
cgroup_of() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"; }
mounted() { grep -c "$CASE_DIR/state/pods/.*/rootfs " /proc/self/mountinfo || true; }

assert_eq "$(cri Status | jq -r '[.runtime_handlers[].name // ""] | join(",")')" ",slipway,crun,runc"
assert_eq "$(cri Status | jq -r '.runtime_handlers[] | select(.name == "slipway") | .features.user_namespaces')" true
assert_fails "runtime_handler: 'kata' is not configured; there are 'slipway', 'crun', 'runc'" run_in kata none
assert_fails "INVALID_ARGUMENT" run_in kata none

for handler in crun runc; do
  echo "$SECONDS s: $handler"
  pod=$(run_in "$handler" "$handler")
  assert_eq "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.runtime_handler)" "$handler"
  limits='.linux.resources = {memory_limit_in_bytes: 67108864, cpu_shares: 512, cpu_quota: 50000, cpu_period: 100000, unified: {"pids.max": "77"}}'
  c=$(create "$handler" "$pod" main "$busybox" "$limits | .stdin = true" sh -c 'echo out; echo err >&2; trap "exit 5" TERM; while :; do sleep 0.1; done')
  assert_eq "$(status "$c" state)" CONTAINER_CREATED
  assert_eq "$(mounted)" 0 "roots mounted on the host after create"
  start "$c"
  pid=$(in_container "$c")
  assert_eq "$(tr '\0' ' ' <"/proc/$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")/cmdline")" "slipway-monitor " "parent of the container"
  at=$(cgroup_of "$pid")
  assert_eq "$(<"$at/memory.max") $(<"$at/memory.swap.max") $(<"$at/cpu.max") $(<"$at/pids.max") $(<"$at/cpu.weight")" "67108864 0 50000 100000 77 $(cat "$at/cpu.weight")"
  assert_contains "$at" "${pod:0:40}/$c" "its cgroup"
  wait_for 10 "both lines" bash -c "[[ \$(wc -l <'$CASE_DIR/logs/$handler/main.log') == 2 ]]"
  assert_eq "$(log_of "$handler" main | sort | tr '\n' ' ')" "err out "

  # Namespaces of the pod, its files, its network; seccomp is on.
  assert_eq "$(exec_out "$c" hostname)" "$handler"
  assert_contains "$(exec_out "$c" cat /etc/hosts)" "$handler"
  assert_contains "$(exec_out "$c" ip addr show eth0)" "inet 10.88.0."
  assert_eq "$(exec_out "$c" sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status)" 2
  reply=$(exec_sync "$c" sh -c 'echo in; echo no >&2; exit 3')
  assert_eq "$(jq -r '"\(.stdout | @base64d)\(.stderr | @base64d)\(.exit_code)"' <<<"$reply")" $'in\nno\n3'
  assert_fails "no-such-program" exec_sync "$c" no-such-program
  assert_fails DEADLINE_EXCEEDED cri ExecSync "{\"container_id\": \"$c\", \"cmd\": [\"sleep\", \"60\"], \"timeout\": 1}"
  gives 4 stream spdy command "$(cri Exec "$(jq -n --arg id "$c" '{container_id: $id, cmd: ["sh", "-c", "tty; read x; stty size; echo typed $x; exit 4"], stdin: true, stdout: true, tty: true}')" | jq -r .url)" \
    --tty 132x43 --until /dev/pts --keep --then-stdin 'word\n'
  assert_contains "$out" "43 132"
  assert_contains "$out" "typed word"
  stats=$(cri ContainerStats "{\"container_id\": \"$c\"}" | jq .stats)
  assert_matches "$(jq -r .memory.usage_bytes.value <<<"$stats")" '^[1-9]'
  assert_matches "$(jq -r .cpu.usage_core_nano_seconds.value <<<"$stats")" '^[1-9]'
  cri UpdateContainerResources "{\"container_id\": \"$c\", \"linux\": {\"memory_limit_in_bytes\": 134217728, \"cpu_quota\": 20000}}" >/dev/null
  assert_eq "$(<"$at/memory.max") $(<"$at/cpu.max")" "134217728 20000 100000"

  # Over a restart: nothing is lost, the monitor still knows the runtime.
  waiting=$(create "$handler" "$pod" waiting "$busybox" . sh -c 'echo started late; sleep 1000')
  kill_slipwayd
  start_slipwayd --config "$CASE_DIR/config.toml"
  assert_eq "$(status "$c" state) $(status "$waiting" state)" "CONTAINER_RUNNING CONTAINER_CREATED"
  assert_eq "$(exec_out "$c" echo here)" here
  start "$waiting"
  assert_eq "$(status "$waiting" state)" CONTAINER_RUNNING
  stop_container "$c" 20
  assert_eq "$(status "$c" exit_code) $(status "$c" reason)" "5 Error"
  remove_container "$c"

  eater=$(run_to_end "$handler" "$pod" eater "$busybox" ".linux.resources = {memory_limit_in_bytes: 33554432, memory_swap_limit_in_bytes: 33554432}" tail /dev/zero)
  assert_eq "$(status "$eater" reason) $(status "$eater" exit_code)" "OOMKilled 137"
  assert_contains "$(status "$eater" message)" "$eater' reached its memory limit"

  terminal=$(started "$handler" "$pod" terminal "$busybox" '.tty = true | .stdin = true' sh -c 'tty; read x; echo got $x; exit 6')
  wait_for 10 "its terminal" grep -q /dev/pts "$CASE_DIR/logs/$handler/terminal.log"
  stream spdy command "$(cri Attach "{\"container_id\": \"$terminal\", \"stdin\": true, \"stdout\": true, \"tty\": true}" | jq -r .url)" --tty 80x24 --keep --stdin 'hello\n' >/dev/null
  wait_for 10 "its end" exited "$terminal"
  assert_eq "$(status "$terminal" exit_code)" 6
  assert_contains "$(log_of "$handler" terminal)" "got hello"

  stop_pod "$pod"
  remove_pod "$pod"
  assert_eq "$(mounted)" 0 "roots mounted on the host"
done

# With a shared PID namespace, with another container's; a user namespace of the pod's own is slipway's runner's alone.
for handler in crun runc; do
  echo "$SECONDS s: $handler: namespaces"
  pod=$(run_in "$handler" "shared-$handler" '.linux.security_context.namespace_options.pid = "POD"')
  c=$(started "shared-$handler" "$pod" main "$busybox" '.linux.security_context.namespace_options.pid = "POD"' sleep 1000)
  assert_contains "$(exec_out "$c" ps)" pod-init
  remove_pod "$pod"
  pod=$(run_in "$handler" "target-$handler")
  c=$(started "target-$handler" "$pod" main "$busybox" . sleep 1000)
  debug=$(started "target-$handler" "$pod" debug "$busybox" ".linux.security_context.namespace_options = {pid: \"TARGET\", target_id: \"$c\"}" sleep 2000)
  assert_contains "$(exec_out "$debug" ps)" "sleep 1000"
  remove_pod "$pod"
done
maps='{uids: [{host_id: 200000, container_id: 0, length: 65536}], gids: [{host_id: 200000, container_id: 0, length: 65536}], mode: "POD"}'
assert_fails "userns_options: runtime handler 'crun' runs no pods" run_in crun users ".linux.security_context.namespace_options.userns_options = $maps"

echo "$SECONDS s: deaths in the middle"
for handler in crun runc; do
  # slipwayd dies while containers are made and started, again and again at other moments.
  pod=$(run_in "$handler" "torn-$handler")
  for delay in 0.01 0.03 0.06 0.1 0.2; do
    torn=$(create "torn-$handler" "$pod" "torn$delay" "$busybox" . sleep 1000)
    (start "$torn" || true) >/dev/null 2>&1 &
    starting=$!
    sleep "$delay"
    kill_slipwayd
    wait "$starting" || true
    start_slipwayd --config "$CASE_DIR/config.toml"
    [[ $(status "$torn" state) != CONTAINER_CREATED ]] || start "$torn"
    assert_eq "$(status "$torn" state)" CONTAINER_RUNNING "$handler, killed after $delay s"
  done
  c=$(started "torn-$handler" "$pod" after "$busybox" . sleep 1000)
  assert_eq "$(exec_out "$c" echo good)" good
  # The monitor dies: its containers end with it.
  kill -KILL "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\", \"verbose\": true}" | jq -r '.info | to_entries[0].value | fromjson | .. | .monitor_pid? // empty' | head -n 1)"
  wait_for 20 "end of its container" exited "$c"
  assert_eq "$(status "$c" reason)" MonitorLost
  stop_pod "$pod"
  remove_pod "$pod"
done

# A handler that is gone from the configuration: its pods can be ended.
pod=$(run_in crun orphan)
c=$(started orphan "$pod" main "$busybox" . sleep 1000)
kill_slipwayd
start_slipwayd
assert_fails "FAILED_PRECONDITION: the pod's runtime handler 'crun' is not in the configuration any more" create orphan "$pod" more "$busybox" . true
assert_eq "$(exec_out "$c" echo good)" good
stop_pod "$pod"
remove_pod "$pod"
assert_eq "$(mounted)" 0 "roots mounted on the host"
assert_eq "$(find "$CASE_DIR/state/runtimes" /run/runc-case -mindepth 1 -maxdepth 2 -name '????????????????????????????????????????????????????????????????')" "" "states"
