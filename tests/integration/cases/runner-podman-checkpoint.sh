#!/bin/bash
# timeout: 300
# seconds: 40
# podman checkpoints and restores containers by slipway: in place, left running, exported and imported, with and without a terminal.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

state_root=/run/case-podman # podman wants a short one
export TMPDIR=$CASE_DIR CONTAINERS_CONF=$CASE_DIR/containers.conf
: >"$CONTAINERS_CONF"
podman() {
  command podman --root "$CASE_DIR/storage" --runroot "$state_root" --tmpdir "$state_root/tmp" --cgroup-manager cgroupfs --runtime "$(command -v slipway)" "$@"
}
# podman keeps its parent of cgroups, its locks, and the mount that its storage lies on.
podman_end() {
  podman rm --all --force --time 0 >/dev/null 2>&1
  umount "$CASE_DIR/storage/overlay" 2>/dev/null
  rm -rf "$state_root" /run/containers /run/libpod /run/lock/libpod_lock /dev/shm/libpod_lock
  rmdir /sys/fs/cgroup/libpod_parent/conmon /sys/fs/cgroup/libpod_parent 2>/dev/null
}
at_exit podman_end
mkdir -p "$CASE_DIR"/rootfs/{bin,proc,sys,dev,etc,tmp,run,data}
cp /bin/busybox "$CASE_DIR/rootfs/bin/busybox"
for applet in sh sleep cat echo mv ls tty; do ln "$CASE_DIR/rootfs/bin/busybox" "$CASE_DIR/rootfs/bin/$applet"; done
image=localhost/counter:latest
tar -C "$CASE_DIR/rootfs" -c . | podman import - "$image" >/dev/null

# shellcheck disable=SC2016  # the container's shell expands it
counter='i=0; while :; do i=$((i+1)); echo "$i"; echo "$i" >/data/count.new; mv /data/count.new /data/count; sleep 0.1; done'
mkdir "$CASE_DIR/data"
count() { cat "$CASE_DIR/data/count"; }
beyond() { [[ $(count) -gt $1 ]]; }
counts_beyond() { wait_for 20 "count beyond $1" beyond "$1"; }
state() { podman inspect --format '{{.State.Status}} {{.State.Checkpointed}}' "$1"; }

podman run --detach --name one --network none --volume "$CASE_DIR/data:/data" --memory 64m "$image" /bin/sh -c "$counter" >/dev/null
counts_beyond 3

echo "--- left running"
podman container checkpoint --leave-running one >/dev/null
assert_eq "$(state one)" "running false" "state"
counts_beyond "$(count)"

echo "--- in place"
podman container checkpoint one >/dev/null
assert_eq "$(state one)" "exited true" "state"
at=$(count)
podman container restore one >/dev/null
assert_eq "$(state one)" "running false" "state"
counts_beyond $((at + 3))
assert_le "$(count)" $((at + 1000)) "count"
assert_eq "$(podman exec one /bin/cat /proc/1/cgroup)" "0::/" "cgroup"
# grep without -q reads to the end: else podman, which has more to tell all the time, would fail of SIGPIPE.
wait_for 10 "output after the restore" eval "podman logs one | grep -x $((at + 3)) >/dev/null"
pid=$(podman inspect --format '{{.State.Pid}}' one)
assert_eq "$(cat "/sys/fs/cgroup$(sed 's/^0:://' "/proc/$pid/cgroup")/memory.max")" $((64 << 20)) "memory.max"
podman pause one >/dev/null
podman unpause one >/dev/null
counts_beyond "$(count)"

echo "--- exported, imported under another name"
podman container checkpoint --export "$CASE_DIR/one.tar.gz" one >/dev/null
at=$(count)
podman rm one >/dev/null
podman container restore --import "$CASE_DIR/one.tar.gz" --name two >/dev/null
assert_eq "$(state two)" "running false" "state"
counts_beyond $((at + 3))
podman kill two >/dev/null
# shellcheck disable=SC2016
wait_for 10 "end of two" eval '[[ $(podman inspect --format "{{.State.Status}} {{.State.ExitCode}}" two) == "exited 137" ]]'
podman rm two >/dev/null

echo "--- with a terminal"
# shellcheck disable=SC2016
podman run --detach --tty --name three --network none --volume "$CASE_DIR/data:/data" "$image" /bin/sh -c "tty; $counter" >/dev/null
counts_beyond 3
podman container checkpoint three >/dev/null
at=$(count)
podman container restore three >/dev/null
counts_beyond $((at + 3))
wait_for 10 "output after the restore" eval "podman logs three | tr -d '\r' | grep -x $((at + 3)) >/dev/null"
assert_contains "$(podman exec three /bin/ls /dev/pts)" "0" "the terminal"
podman rm --force --time 0 three >/dev/null

echo "--- a pre-checkpoint"
podman run --detach --name four --network none --volume "$CASE_DIR/data:/data" "$image" /bin/sh -c "$counter" >/dev/null
counts_beyond 3
podman container checkpoint --pre-checkpoint --export "$CASE_DIR/before.tar.gz" four >/dev/null
assert_eq "$(state four)" "running false" "state"
podman container checkpoint --with-previous --export "$CASE_DIR/four.tar.gz" four >/dev/null
at=$(count)
podman rm four >/dev/null
podman container restore --import-previous "$CASE_DIR/before.tar.gz" --import "$CASE_DIR/four.tar.gz" >/dev/null
counts_beyond $((at + 3))
podman rm --force --time 0 four >/dev/null
