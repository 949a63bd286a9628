#!/bin/bash
# The socket that speaks as containerd, asked as the cAdvisor in an unmodified kubelet asks: for each cgroup whose name has an id in it the container,
# then a process, then what /proc and the cgroup tell; the pod's network by its sandbox's process alone.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
containerd=unix://$CASE_DIR/containerd/containerd.sock
printf '[containerd]\nsocket = "%s"\n' "$containerd" >"$CASE_DIR/config.toml"
rmdir_parents() { rmdir /sys/fs/cgroup/kubepods-test/burstable/podX /sys/fs/cgroup/kubepods-test/burstable /sys/fs/cgroup/kubepods-test 2>/dev/null || true; }
at_exit rmdir_parents
ask() { CRI_CALL_NAMESPACE=k8s.io "$SLIPWAY_TESTS/cri_call" "$containerd" "containerd.services.$1" "${2:-{\}}"; }
container_of() { ask containers.v1.Containers/Get "{\"id\": \"$1\"}"; }
pid_of() { ask tasks.v1.Tasks/Get "{\"container_id\": \"$1\"}" | jq .process.pid; }
# cgroups_of ID: those that a cAdvisor takes for the container ID, by their own name alone.
cgroups_of() { find /sys/fs/cgroup -type d -regextype posix-extended -regex '.*/[^/]*[a-z0-9]{64}[^/]*' | while read -r path; do
  [[ $(basename "$path" | grep -oE '[a-z0-9]{64}' | head -n 1) != "$1" ]] || echo "$path"
done; }
label() { container_of "$1" | jq -r ".container.labels[\"$2\"]"; }

echo "$SECONDS s: by default there is no such socket"
start_slipwayd
assert_fails UNIMPLEMENTED "$SLIPWAY_TESTS/cri_call" "unix://$SOCKET" containerd.services.version.v1.Version/Version
stop_slipwayd

start_slipwayd --config "$CASE_DIR/config.toml"
assert_eq "$(stat -c %a "$CASE_DIR/containerd/containerd.sock")" 660
assert_matches "$(ask version.v1.Version/Version | jq -r .version)" '^[0-9]+\.[0-9]+\.[0-9]+'
assert_eq "$("$SLIPWAY_TESTS/cri_call" "$containerd" Version | jq -r .runtime_name)" slipway "CRI on the same socket"
assert_fails FAILED_PRECONDITION "$SLIPWAY_TESTS/cri_call" "$containerd" containerd.services.containers.v1.Containers/Get '{"id": "x"}'
assert_fails NOT_FOUND container_of "$(printf '%064d' 0)"
assert_fails NOT_FOUND pid_of "$(printf '%064d' 0)"

busybox=$(pull busybox)
pod=$(run_pod web '.linux.cgroup_parent = "/kubepods-test/burstable/podX" | .labels = {"io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": "uid-web"}')

echo "$SECONDS s: a pod without containers: its sandbox is one cgroup, and a process in its network"
assert_eq "$(cgroups_of "$pod" | wc -l)" 1 "cgroups that are the sandbox"
sandbox_pid=$(pid_of "$pod")
netns=$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\", \"verbose\": true}" | jq -r '.info.info | fromjson | .netns')
assert_eq "$(stat -Lc %i "/proc/$sandbox_pid/ns/net")" "$(stat -c %i "$netns")" "the process's network namespace"
assert_eq "$(label "$pod" io.cri-containerd.kind)" sandbox
assert_eq "$(label "$pod" io.kubernetes.pod.uid)" uid-web

echo "$SECONDS s: containers: labels, image, specification, process, cgroup"
kubelet_labels='.labels = {"io.kubernetes.container.name": "main", "io.kubernetes.pod.name": "web"} | .envs = [{key: "ASKED", value: "Zm9y"}]'
early=$(started web "$pod" early "$busybox" "$kubelet_labels" true)
c=$(started web "$pod" main "$busybox" "$kubelet_labels" sh -c 'nc -ll -p 8080 -e cat & while :; do sleep 1; done')
wait_for 30 "end of the first container" exited "$early"
assert_eq "$(label "$c" io.cri-containerd.kind) $(label "$c" io.kubernetes.container.name)" "container main"
assert_eq "$(container_of "$c" | jq -r '.container.sandbox')" "$pod"
[[ -n $(container_of "$c" | jq -r '.container.image') ]] || fail "a container without image"
assert_eq "$(container_of "$c" | jq -r '.container.spec.value | fromjson | .process.env | join(" ")')" ASKED=for
assert_eq "$(container_of "$c" | jq -r '.container.spec.value | fromjson | .annotations["io.kubernetes.cri.container-type"]')" container
assert_eq "$(cgroups_of "$c" | wc -l)" 1 "cgroups that are the container"
pid=$(pid_of "$c")
assert_eq "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")" "$(cgroups_of "$c")" "the process's cgroup"
for file in cpu.stat memory.current memory.stat pids.current io.stat; do
  [[ -r $(cgroups_of "$c")/$file ]] || fail "$file of the container cannot be read"
done
[[ $(cat "$(cgroups_of "$c")/memory.current") -gt 0 ]] || fail "the container uses no memory"
assert_fails NOT_FOUND pid_of "$early"

echo "$SECONDS s: the pod's network is counted behind the sandbox's process, through a restart and the end of containers"
assert_eq "$(pid_of "$pod")" "$sandbox_pid"
received() { sed -n 's/^ *eth0: *\([0-9]*\).*/\1/p' "/proc/$(pid_of "$pod")/net/dev"; }
ip=$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.network.ip)
before=$(received)
head -c 200000 /dev/zero | nc -N "$ip" 8080 | wc -c
[[ $(received) -ge $((before + 200000)) ]] || fail "$before bytes before, $(received) after 200000 more"
kill_slipwayd
start_slipwayd --config "$CASE_DIR/config.toml"
assert_eq "$(pid_of "$pod") $(pid_of "$c")" "$sandbox_pid $pid" "after a restart"
stop_container "$c" 0
remove_container "$c"
assert_fails NOT_FOUND container_of "$c"
[[ $(received) -ge $((before + 200000)) ]] || fail "the counters went with the container"

echo "$SECONDS s: the monitor's forks are in the host's network as ever: forwarding, exec and the next container work"
again=$(started web "$pod" again "$busybox" . sh -c 'nc -ll -p 8081 -e cat & while :; do sleep 1; done')
assert_eq "$(exec_out "$again" sh -c 'cat /sys/class/net/eth0/operstate')" up
forward=$(cri PortForward "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .url)
assert_eq "$("$LIB_DIR/stream_client.py" spdy forward "$forward" 8081 through)" through

stop_pod "$pod"
assert_fails NOT_FOUND pid_of "$pod"
remove_pod "$pod"
assert_fails NOT_FOUND container_of "$pod"
