#!/bin/bash
# timeout: 400
# podman 4.3 with slipway as its runtime and systemd's scopes: their properties, a container's life, a pod's slice; nothing is left.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../systemd.sh"
# shellcheck source=SCRIPTDIR/../podman.sh
. "$LIB_DIR/podman.sh"

at_exit systemctl stop machine.slice # podman's parent of all
podman_setup systemd
p run -d --name scoped --network none --memory 64m --pids-limit 33 box sleep 1000 >/dev/null
id=$(p inspect --format '{{.Id}}' scoped)
assert_eq "$(cgroup_of "$(p inspect --format '{{.State.Pid}}' scoped)")" "/machine.slice/libpod-$id.scope"
assert_eq "$(property "libpod-$id.scope" MemoryMax) $(property "libpod-$id.scope" TasksMax)" "67108864 33"
systemctl daemon-reload
assert_eq "$(p exec scoped cat /sys/fs/cgroup/memory.max)" 67108864 "after daemon-reload"
p rm --force --time 0 scoped >/dev/null
wait_for 10 "end of the scope" unit_gone "libpod-$id.scope"
podman_foreground
podman_life
podman_pod
podman_limits
