#!/bin/bash
# SELinux: labels of processes, mounts and volumes as CRI asks for them; levels that separate pods once the policy is enforced.
# timeout: 400
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
[[ $(cat /sys/fs/selinux/policyvers) -gt 0 ]] || fail "this kernel runs without SELinux"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)
attr='tr -d "\0" </proc/self/attr/current; echo'
label() { exec_out "$1" cat /proc/self/attr/current | tr -d '\0'; }
# The file's label on the host; getfattr follows no link with -h.
file_label() { getfattr -h --absolute-names --only-values -n security.selinux "$1" | tr -d '\0'; }
relabelled() { echo ".mounts += [{container_path: \"/data\", host_path: \"$1\", selinux_relabel: true}]"; }

echo "$SECONDS s: two pods, two levels; exec and log file; every mount of the container's own has the pod's"
a=$(run_pod a) b=$(run_pod b)
ca=$(started a "$a" main "$busybox" . sleep 1000)
cb=$(started b "$b" main "$busybox" . sleep 1000)
assert_matches "$(label "$ca")" '^system_u:system_r:container_t:(s0:c[0-9]+,c[0-9]+)$'
level=${BASH_REMATCH[1]}
[[ $(label "$cb") != "$(label "$ca")" ]] || fail "two pods have the label $(label "$ca")"
assert_eq "$(exec_out "$ca" cat /proc/1/attr/current | tr -d '\0')" "$(label "$ca")" "the container's process"
for path in / /dev /dev/pts /dev/shm; do
  assert_matches "$(exec_out "$ca" sh -c "grep ' $path ' /proc/self/mountinfo")" "context=\"?system_u:object_r:container_file_t:$level\"?[, ]?" "the mount $path"
done
pid=$(cri ContainerStatus "{\"container_id\": \"$ca\", \"verbose\": true}" | jq -r '.info | to_entries[0].value | fromjson | .pid')
assert_eq "$(file_label "/proc/$pid/root/dev/mqueue")" "system_u:object_r:container_file_t:$level" "/dev/mqueue, which takes its label later"
assert_matches "$(exec_out "$ca" grep ' /etc/hosts ' /proc/self/mountinfo)" 'context="?system_u:object_r:container_file_t:s0"?[, ]?' "/etc/hosts"
remove_container "$cb"

echo "$SECONDS s: what is asked for; what the policy does not have"
asks() { echo ".linux.security_context.selinux_options = {$1}"; }
run_to_end a "$a" level "$busybox" "$(asks 'level: "s0:c100,c200"')" sh -c "$attr" >/dev/null
assert_eq "$(log_of a level)" "system_u:system_r:container_t:s0:c100,c200"
run_to_end a "$a" whole "$busybox" "$(asks 'user: "system_u", role: "system_r", type: "svirt_lxc_net_t", level: "s0:c4,c5"')" sh -c "$attr" >/dev/null
assert_eq "$(log_of a whole)" "system_u:system_r:container_t:s0:c4,c5" "by the type's other name"
assert_fails "system_u:system_r:no_such_t:$level': the host's policy has no such label" create a "$a" bad "$busybox" "$(asks 'type: "no_such_t"')" true
assert_fails "selinux_options" create a "$a" bad "$busybox" "$(asks 'level: "s0,c4,c5"')" true
assert_fails "INVALID_ARGUMENT" run_pod bad "$(asks 'level: "s77"')"
asked=$(run_pod asked "$(asks 'level: "s0:c7,c9"')")
run_to_end asked "$asked" main "$busybox" . sh -c "$attr" >/dev/null
assert_eq "$(log_of asked main)" "system_u:system_r:container_t:s0:c7,c9" "the pod's level"
remove_pod "$asked"
strong=$(run_pod strong ".linux.security_context.privileged = true")
run_to_end strong "$strong" main "$busybox" ".linux.security_context.privileged = true" sh -c "$attr" >/dev/null
assert_eq "$(log_of strong main)" "system_u:system_r:spc_t:s0" "a privileged container"
remove_pod "$strong"
users=$(run_pod users '.linux.security_context.namespace_options.userns_options = {mode: "POD", uids: [{container_id: 0, host_id: 200000, length: 65536}], gids: [{container_id: 0, host_id: 200000, length: 65536}]}')
run_to_end users "$users" main "$busybox" "." sh -c "$attr; touch /file /dev/shm/file && echo made" >/dev/null
assert_matches "$(log_of users main | tr '\n' ' ')" '^system_u:system_r:container_t:s0:c[0-9]+,c[0-9]+ made $' "a pod with a user namespace"
remove_pod "$users"
shared=$(run_pod shared '.linux.security_context.namespace_options.pid = "POD"')
c=$(started shared "$shared" main "$busybox" '.linux.security_context.namespace_options.pid = "POD"' sleep 1000)
assert_matches "$(exec_out "$c" head -n 1 /proc/1/mountinfo)" ',context="system_u:object_r:container_file_t:s0:c[0-9]+,c[0-9]+",' "the root of the pod's init"
remove_pod "$shared"

echo "$SECONDS s: a volume is relabelled, once"
volume=$CASE_DIR/volume
mkdir -p "$volume/deep/er"
seq 500 | while read -r n; do echo "$n" >"$volume/deep/er/$n"; done
ln -s /etc/hostname "$volume/link"
before=$(file_label /etc/hostname)
vol=$(started a "$a" volume "$busybox" "$(relabelled "$volume")" sleep 1000)
for name in . deep deep/er deep/er/77 link; do
  assert_eq "$(file_label "$volume/$name")" "system_u:object_r:container_file_t:$level" "$name"
done
assert_eq "$(file_label /etc/hostname)" "$before" "what a link leads to"
setfattr -n security.selinux -v "system_u:object_r:container_file_t:s0" "$volume/deep/er/77"
remove_container "$vol"
vol=$(started a "$a" volume2 "$busybox" "$(relabelled "$volume")" sleep 1000)
assert_eq "$(file_label "$volume/deep/er/77")" "system_u:object_r:container_file_t:s0" "the volume was walked again"
assert_fails "/etc' is the host's" create a "$a" bad "$busybox" "$(relabelled /etc)" true

echo "$SECONDS s: a slipwayd that starts anew knows the levels"
stop_slipwayd
start_slipwayd
assert_eq "$(label "$ca")" "system_u:system_r:container_t:$level"
run_to_end a "$a" later "$busybox" . sh -c "$attr" >/dev/null
assert_eq "$(log_of a later)" "system_u:system_r:container_t:$level"

echo "$SECONDS s: enforced, another pod cannot read the volume, its own can"
at_exit setenforce 0
setenforce 1
assert_eq "$(exec_out "$vol" cat /data/deep/er/5)" 5 "the pod's own volume"
other=$(started b "$b" other "$busybox" ".mounts += [{container_path: \"/data\", host_path: \"$volume\"}]" sleep 1000)
assert_contains "$(exec_out "$other" sh -c 'cat /data/deep/er/5 2>&1')" "Permission denied" "another pod's level"
run_to_end b "$b" lives "$busybox" . sh -c 'echo x >/file && echo y >/dev/shm/file && cat /file /dev/shm/file && cat /etc/resolv.conf >/dev/null && echo read' >/dev/null
assert_eq "$(log_of b lives | tr '\n' ' ')" "x y read "
setenforce 0
remove_pod "$a"
remove_pod "$b"
