#!/bin/bash
# crictl (kubernetes-sigs/cri-tools; Debian has none, so bring one as build/tools/crictl) drives a pod's whole life, and its streams by both transports.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
command -v crictl >/dev/null || skip "there is no build/tools/crictl"
start_registry
cni_network
start_slipwayd
printf 'timeout: 60\n' >"$CASE_DIR/crictl.yaml" # two seconds, which it gives by itself, are few for an emulated machine
export CRI_CONFIG_FILE=$CASE_DIR/crictl.yaml CONTAINER_RUNTIME_ENDPOINT=unix://$SOCKET IMAGE_SERVICE_ENDPOINT=unix://$SOCKET
image=$(image busybox)
mkdir -p "$CASE_DIR/logs/web"
pod_config web '.linux.security_context.namespace_options.pid = 1' >"$CASE_DIR/pod.json"
# shellcheck disable=SC2016  # the container's shell expands these
jq -n --arg image "$image" '{metadata: {name: "main"}, image: {image: $image}, log_path: "main.log", stdin: true, linux: {security_context: {namespace_options: {pid: 1}}, resources: {memory_limit_in_bytes: 536870912}},
  command: ["sh", "-c", "trap \"exit 5\" TERM; echo hello; nc -ll -p 8080 -e cat & while :; do read line && echo \"got $line\" || sleep 0.1; done"]}' >"$CASE_DIR/main.json"

echo "$SECONDS s: images"
assert_contains "$(crictl version)" slipway
crictl pull "$image" >/dev/null
assert_contains "$(crictl images)" "${image%:*}"
assert_eq "$(crictl info | jq -r '.status.conditions[] | select(.type == "RuntimeReady") | .status')" true

echo "$SECONDS s: runp, create, start, ps, inspect, logs, exec -s, stats"
pod=$(crictl runp "$CASE_DIR/pod.json")
assert_contains "$(crictl pods --state Ready --quiet --no-trunc)" "$pod"
assert_matches "$(crictl inspectp "$pod" | jq -r .status.network.ip)" '^10\.88\.0\.[0-9]+$'
c=$(crictl create "$pod" "$CASE_DIR/main.json" "$CASE_DIR/pod.json")
assert_eq "$(crictl ps --all --state Created --quiet --no-trunc)" "$c"
crictl start "$c" >/dev/null
assert_eq "$(crictl ps --quiet --no-trunc)" "$c"
assert_eq "$(crictl inspect "$c" | jq -r '.status | .state, .metadata.name, .resources.linux.memoryLimitInBytes' | tr '\n' ' ')" "CONTAINER_RUNNING main 536870912 "
said() { [[ $(crictl logs "$c") == hello ]]; }
wait_for 20 "the log" said
assert_eq "$(crictl exec -s "$c" hostname)" web
gives 1 crictl exec -s "$c" sh -c 'echo said; exit 3'
assert_contains "$out" 3 "the exit code of exec -s"
crictl stats >"$CASE_DIR/out"
assert_contains "$(cat "$CASE_DIR/out")" "${c:0:13}"
assert_contains "$(crictl statsp)" "${pod:0:13}"

for by in spdy websocket; do
  echo "$SECONDS s: exec, attach and port-forward by $by"
  assert_eq "$(printf 'a\nb\n' | crictl exec -i --transport "$by" "$c" wc -l)" 2
  gives 0 "$LIB_DIR/pty_client.py" 33x99 'expect=/ #' 'send=stty size\r' 'expect=33 99' 'resize=40x120' 'send=stty size\r' 'expect=40 120' 'send=exit\r' -- \
    crictl exec -it --transport "$by" "$c" sh
  # What ends it is not of interest: without a terminal it takes no notice of TERM.
  gives 137 "$LIB_DIR/pty_client.py" 24x80 "send=by $by\\r" "expect=got by $by" 'signal=KILL' -- crictl attach -i --transport "$by" "$c"
  crictl port-forward --transport "$by" "$pod" 18080:8080 >"$CASE_DIR/forward" 2>&1 &
  forward=$!
  wait_for 20 "the forwarded port" grep -q 'Forwarding from 127.0.0.1:18080' "$CASE_DIR/forward"
  assert_eq "$(echo "through $by" | nc -N 127.0.0.1 18080)" "through $by" "port-forward"
  kill "$forward"
  wait "$forward" || true
done

echo "$SECONDS s: stop, rm, stopp, rmp, rmi"
crictl stop -t 20 "$c" >/dev/null
assert_eq "$(crictl inspect "$c" | jq -r '.status | .state, .exitCode' | tr '\n' ' ')" "CONTAINER_EXITED 5 "
crictl rm "$c" >/dev/null
crictl stopp "$pod" >/dev/null
assert_eq "$(crictl pods --state NotReady --quiet --no-trunc)" "$pod"
crictl rmp "$pod" >/dev/null
crictl rmi "$image" >/dev/null
assert_eq "$(crictl pods -q)$(crictl ps -aq)$(crictl images -q)" "" "what is left"
