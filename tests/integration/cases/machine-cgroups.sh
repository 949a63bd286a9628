#!/bin/bash
# The machine itself: cgroup v2 alone, every controller handed down, limits that bite when another runtime sets them.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

assert_eq "$(stat -fc %T /sys/fs/cgroup)" cgroup2fs "/sys/fs/cgroup"
for controller in cpuset cpu io memory hugetlb pids rdma misc; do
  assert_contains " $(</sys/fs/cgroup/cgroup.subtree_control) " " $controller "
done
assert_eq "$(findmnt -no PROPAGATION /)" shared "propagation of /"

# A bundle by hand: busybox, 8 MiB of memory, 7 tasks, through crun.
bundle=$CASE_DIR/bundle
mkdir -p "$bundle/rootfs/bin"
cp /bin/busybox "$bundle/rootfs/bin/busybox"
(cd "$bundle" && crun spec)
config() {
  jq --arg script "$1" '.process.terminal = false | .process.args = ["/bin/busybox", "sh", "-c", $script] |
    .linux.cgroupsPath = "/crun-case" | .linux.resources = {memory: {limit: 8388608, swap: 8388608}, pids: {limit: 7}}' \
    "$bundle/config.json" >"$bundle/new" && mv "$bundle/new" "$bundle/config.json"
}
config 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'
assert_eq "$(crun run --bundle "$bundle" limits)" $'8388608\n7' "limits inside"

# shellcheck disable=SC2016  # the container's shell expands these
config 'x=0123456789abcdef; while :; do x=$x$x; done'
status=0
crun run --bundle "$bundle" greedy || status=$?
assert_eq "$status" 137 "status of the greedy one"

# shellcheck disable=SC2016
config 'i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i+1)); done; wait'
said=$(crun run --bundle "$bundle" many 2>&1 || true)
assert_contains "$said" "can't fork" "too many processes"
