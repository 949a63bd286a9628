#!/bin/bash
# POD, CONTAINER, NODE and TARGET, what a pod's containers share, and what a program finds when it begins.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)
mode() { echo ".linux.security_context.namespace_options.$1 = \"$2\""; }
ns='for n in net ipc uts pid; do readlink /proc/self/ns/$n; done'
host=$(eval "$ns")

# A pod without a hostname has a name of its own; its containers share network, IPC, names, /dev/shm and mqueue, and with POD their PIDs.
pod=$(run_pod shared "$(mode pid POD) | .hostname = \"\" | .linux.sysctls = {\"net.ipv4.ip_default_ttl\": \"77\", \"kernel.domainname\": \"inside.test\"}")
first=$(started shared "$pod" first "$busybox" "$(mode pid POD)" sleep 1000)
second=$(started shared "$pod" second "$busybox" "$(mode pid POD)" sleep 1000)
seen=$(exec_out "$first" sh -c "$ns; hostname; echo \$HOSTNAME; cat /etc/hostname /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/domainname /proc/1/comm
  echo shared >/dev/shm/note; mkdir -p /dev/mqueue; stat -c %i /dev/mqueue; ls -d /proc/[0-9]*/ | wc -l; pgrep -c sleep || ps | grep -c '[s]leep 1000'")
mapfile -t lines <<<"$seen"
assert_eq "${lines[*]:4:6}" "${pod:0:12} ${pod:0:12} ${pod:0:12} 77 inside.test pod-init" "names, sysctls and the pod's init"
assert_eq "${lines[12]}" 2 "containers' processes that one of them sees"
for line in "${lines[@]:0:4}"; do assert_lacks "$host" "$line" "a namespace of the pod"; done
assert_eq "$(exec_out "$second" sh -c "$ns; cat /dev/shm/note; stat -c %i /dev/mqueue" | tr '\n' ' ')" "${lines[*]:0:4} shared ${lines[10]} " "what the second container shares"
# The files that containers may write to hold little.
full=$(exec_out "$first" sh -c 'dd if=/dev/zero of=/etc/hosts bs=1M count=16 2>&1; grep -c " /etc/hosts " /proc/self/mountinfo')
assert_contains "$full" "No space left on device" "16 MiB into /etc/hosts"


# TARGET: into the PID namespace of one of the pod's containers, by its process and not by its number.
alone=$(started shared "$pod" alone "$busybox" "$(mode pid CONTAINER)" sh -c 'exec sleep 2000')
target="$(mode pid TARGET) | .linux.security_context.namespace_options.target_id = \"$alone\""
run_to_end shared "$pod" debug "$busybox" "$target" sh -c 'readlink /proc/self/ns/pid; cat /proc/1/cmdline | tr "\0" " "' >/dev/null
assert_eq "$(log_of shared debug)" "$(exec_out "$alone" readlink /proc/self/ns/pid)
sleep 2000 " "the target's processes"
assert_fails "is not of this pod" create shared "$pod" bad "$busybox" "$(mode pid TARGET) | .linux.security_context.namespace_options.target_id = \"none\"" true
stop_container "$alone" 0
assert_fails "not running" create shared "$pod" bad "$busybox" "$target" true

# NODE: the host's own.
node=$(run_pod node "$(mode network NODE) | $(mode pid NODE) | $(mode ipc NODE)")
run_to_end node "$node" look "$busybox" "$(mode network NODE) | $(mode pid NODE) | $(mode ipc NODE)" sh -c "$ns; hostname; echo \$HOSTNAME; cat /proc/$$/comm" >/dev/null
assert_eq "$(log_of node look)" "$host
$(hostname)
$(hostname)
$(cat /proc/$$/comm)" "the host's namespaces"

# What a program finds: signals, mask, umask, limits, environment, descriptors; also with exec.
state='grep -E "^(SigBlk|SigIgn|SigCgt|Umask)" /proc/self/status | tr -d "\t" | tr "\n" " "; ulimit -n; ulimit -Hn; ls /proc/self/fd | tr "\n" " "'
expected="Umask:0022 SigBlk:0000000000000000 SigIgn:0000000000000000 SigCgt:0000000000000000 1048576
1048576
0 1 2 3 "
run_to_end shared "$pod" state "$busybox" "$(mode pid CONTAINER)" sh -c "$state" >/dev/null
assert_eq "$(log_of shared state | sed 's/SigCgt:[0-9a-f]*/SigCgt:0000000000000000/')" "$expected" "a container's first moment"
assert_eq "$(exec_out "$first" sh -c "$state" | sed 's/SigCgt:[0-9a-f]*/SigCgt:0000000000000000/')" "$expected" "an exec's first moment"
assert_eq "$(exec_out "$first" env | cut -d= -f1 | sort | tr '\n' ' ')" "HOME HOSTNAME PATH " "environment"

# Groups: merged with those of the image's /etc/group that list the user, or exactly those that are asked for; a user by name.
users=$(pull users)
groups='.linux.security_context |= (.run_as_user = {value: "1000"} | .supplemental_groups = ["42"])'
groups_in() { log_of shared "$1" | tr ' ' '\n' | sort -n | tr '\n' ' '; }
groups_told() { status "$1" 'user.linux.supplemental_groups[]' | sort -n | tr '\n' ' '; }
for policy in Merge Strict; do
  id=$(run_to_end shared "$pod" "groups-$policy" "$users" "$(mode pid CONTAINER) | $groups |
    .linux.security_context.supplemental_groups_policy = \"$policy\"" id -G)
  expected="42 1000 50000 "
  [[ $policy == Merge ]] || expected="42 1000 "
  assert_eq "$(groups_in "groups-$policy")" "$expected" "groups, $policy"
  assert_eq "$(groups_told "$id")" "$expected" "groups that the status tells, $policy"
done
run_to_end shared "$pod" named "$busybox" "$(mode pid CONTAINER) | .linux.security_context.run_as_username = \"www-data\"" sh -c 'id -un; id -u' >/dev/null
assert_eq "$(log_of shared named | tr '\n' ' ')" "www-data 33 " "a user by name"
remove_pod "$node"
remove_pod "$pod"
