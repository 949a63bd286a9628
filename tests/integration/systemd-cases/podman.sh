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
p run -d --name scoped --network none --memory 64m --pids-limit 33 --cgroup-conf memory.oom.group=1 \
  --annotation org.systemd.property.KillSignal=2 --annotation 'org.systemd.property.TimeoutStopUSec=uint64 7000000' box sleep 1000 >/dev/null
id=$(p inspect --format '{{.Id}}' scoped)
assert_eq "$(cgroup_of "$(p inspect --format '{{.State.Pid}}' scoped)")" "/machine.slice/libpod-$id.scope"
assert_eq "$(property "libpod-$id.scope" MemoryMax) $(property "libpod-$id.scope" TasksMax)" "67108864 33"
systemctl daemon-reload
assert_eq "$(p exec scoped cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.oom.group)" $'67108864\n1' "after daemon-reload"
# A stop signal and a time-out as newer podmen write them by themselves, as annotations: a shutdown of the machine ends the container as `podman stop` does.
assert_eq "$(property "libpod-$id.scope" KillSignal) $(property "libpod-$id.scope" TimeoutStopUSec)" "2 7s"
p rm --force --time 0 scoped >/dev/null
wait_for 10 "end of the scope" unit_gone "libpod-$id.scope"
podman_foreground
podman_life
podman_pod
podman_limits
