#!/bin/bash
# crictl (kubernetes-sigs/cri-tools; Debian has none, so bring one as build/tools/crictl) in every verb: a pod's whole life, its streams by both transports.
# timeout: 420
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
assert_eq "$(crictl inspecti "$image" | jq -r '.status.repoTags[0]')" "$image"
assert_eq "$(crictl images -o json | jq -r '.images[0].id')" "$(crictl inspecti "$image" | jq -r .status.id)" "the image's id"
assert_le 1 "$(crictl imagefsinfo | jq -r '.status.imageFilesystems[0].usedBytes.value')" "bytes of images"
assert_contains "$(crictl runtime-config)" CGROUPFS
crictl update-runtime-config --pod-cidr 10.88.0.0/24
# Its own configuration, in a copy of the file.
cp "$CRI_CONFIG_FILE" "$CASE_DIR/set.yaml"
crictl -c "$CASE_DIR/set.yaml" config --set debug=false >/dev/null
assert_eq "$(crictl -c "$CASE_DIR/set.yaml" config --get timeout)" 60 "config"
assert_contains "$(crictl completion bash)" complete

crictl events >"$CASE_DIR/events" 2>"$CASE_DIR/events.said" &
events=$!
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
assert_eq "$(crictl stats -o json --id "$c" | jq -r '.stats[0].attributes.metadata.name')" main
assert_eq "$(crictl statsp -o json --id "$pod" | jq -r '.stats[0].attributes.id')" "$pod"
descriptors=$(crictl metricdescs | jq -r '.descriptors[].name' | sort -u)
metrics=$(crictl metricsp | jq -r ".podMetrics[] | select(.podSandboxId == \"$pod\") | .. | .name? // empty" | sort -u)
assert_contains "$metrics" container_memory_working_set_bytes
assert_eq "$(comm -23 <(echo "$metrics") <(echo "$descriptors"))" "" "metrics without a descriptor"

echo "$SECONDS s: update"
crictl update --memory 268435456 --cpu-quota 50000 --cpu-period 100000 "$c" >/dev/null
assert_eq "$(crictl exec -s "$c" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max)" "$(printf '268435456\n50000 100000')"
assert_eq "$(crictl inspect "$c" | jq -r .status.resources.linux.memoryLimitInBytes)" 268435456

echo "$SECONDS s: checkpoint"
crictl checkpoint --export="$CASE_DIR/checkpoint.tar" "$c" >/dev/null
assert_contains "$(tar -tf "$CASE_DIR/checkpoint.tar")" config.dump
assert_eq "$(crictl ps --quiet --no-trunc)" "$c" "what goes on after it"

for by in spdy websocket; do
  echo "$SECONDS s: exec, attach and port-forward by $by"
  assert_eq "$(printf 'a\nb\n' | crictl exec -i --transport "$by" "$c" wc -l)" 2
  gives 0 "$LIB_DIR/pty_client.py" 33x99 'expect=/ #' "send=$(when_size 33 99)\\r" 'expect=33 99' 'resize=40x120' "send=$(when_size 40 120)\\r" 'expect=40 120' 'send=exit\r' -- \
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

echo "$SECONDS s: logs in their ways, run, stop, rm, stopp, rmp, rmi, events"
assert_eq "$(crictl logs --tail 1 "$c")" "$(tail -n 1 "$CASE_DIR/logs/web/main.log" | cut -d' ' -f4-)"
mkdir -p "$CASE_DIR/logs/once"
pod_config once '.linux.security_context.namespace_options.pid = 1' >"$CASE_DIR/once-pod.json"
jq -n --arg image "$image" '{metadata: {name: "once"}, image: {image: $image}, log_path: "once.log", linux: {security_context: {namespace_options: {pid: 1}}}, command: ["sh", "-c", "echo ran; exit 6"]}' >"$CASE_DIR/once.json"
once=$(crictl run --no-pull "$CASE_DIR/once.json" "$CASE_DIR/once-pod.json")
ran() { [[ $(crictl inspect "$once" | jq -r '.status | .state, .exitCode' | tr '\n' ' ') == "CONTAINER_EXITED 6 " ]]; }
wait_for 20 "the end of what run started" ran
assert_eq "$(crictl logs "$once")" ran
once_pod=$(crictl pods --name once --quiet --no-trunc)
crictl rmp --force "$once_pod" >/dev/null
crictl stop -t 20 "$c" >/dev/null
assert_eq "$(crictl inspect "$c" | jq -r '.status | .state, .exitCode' | tr '\n' ' ')" "CONTAINER_EXITED 5 "
crictl rm "$c" >/dev/null
crictl stopp "$pod" >/dev/null
assert_eq "$(crictl pods --state NotReady --quiet --no-trunc)" "$pod"
crictl rmp "$pod" >/dev/null
crictl rmi "$image" >/dev/null
assert_eq "$(crictl pods -q)$(crictl ps -aq)$(crictl images -q)" "" "what is left"
# Every change of the pod and its container was told, in its order, with what the kubelet reads of each.
told() { jq -rs "map(select(.containerId == \"$1\") | .containerEventType) | join(\" \")" "$CASE_DIR/events"; }
all_told() { [[ $(told "$pod") == *DELETED* ]]; }
wait_for 20 "the events" all_told
kill "$events"
wait "$events" || true
assert_eq "$(told "$c")" "CONTAINER_CREATED_EVENT CONTAINER_STARTED_EVENT CONTAINER_STOPPED_EVENT CONTAINER_DELETED_EVENT"
assert_eq "$(told "$pod")" "CONTAINER_CREATED_EVENT CONTAINER_STARTED_EVENT CONTAINER_STOPPED_EVENT CONTAINER_DELETED_EVENT" "the pod's"
assert_eq "$(jq -rs "map(select(.podSandboxStatus.metadata.name == null)) | length" "$CASE_DIR/events")" 0 "events without a pod"
