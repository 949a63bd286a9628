#!/bin/bash
# timeout: 300
# seconds: 80
# podman of an ordinary user drives slipway: run, exec, a terminal, stop, user namespaces of its own, the host's network.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

readonly USER_ID=1000 FIRST=100000
HOME_DIR=$CASE_DIR/home

# The user is made in copies of /etc's files that lie over them until the case ends.
mkdir -p "$CASE_DIR/etc" "$HOME_DIR/run" "$HOME_DIR/rootfs/bin"
chmod 755 "$CASE_DIR"
add_line() {
  { cat "$1"; printf '%s\n' "$2"; } >"$CASE_DIR$1"
  mount --bind "$CASE_DIR$1" "$1"
  at_exit umount "$1"
}
add_line /etc/passwd "pod:x:$USER_ID:$USER_ID::$HOME_DIR:/bin/bash"
add_line /etc/group "pod:x:$USER_ID:"
add_line /etc/subuid "pod:$FIRST:65536"
add_line /etc/subgid "pod:$FIRST:65536"

cp "$(command -v slipway)" "$CASE_DIR/slipway"
cp /bin/busybox "$HOME_DIR/rootfs/bin/"
for applet in sh id cat ls echo sleep mount grep touch; do ln -s busybox "$HOME_DIR/rootfs/bin/$applet"; done
tar -C "$HOME_DIR/rootfs" -cf "$HOME_DIR/root.tar" .
chown -R "$USER_ID:$USER_ID" "$HOME_DIR"

as_user() {
  (cd "$HOME_DIR" && setpriv --reuid "$USER_ID" --regid "$USER_ID" --init-groups env -i "HOME=$HOME_DIR" "PATH=$PATH" "XDG_RUNTIME_DIR=$HOME_DIR/run" "$@")
}
pod() { as_user podman --runtime "$CASE_DIR/slipway" --cgroup-manager cgroupfs --events-backend file --storage-driver vfs "$@"; }
# podman keeps a process that holds its user namespace; every call of it may start that again, so it is ended last.
end_podman() {
  pod rm --all --force --time 0 >/dev/null 2>&1
  as_user podman unshare rm -rf "$HOME_DIR/.local" >/dev/null 2>&1
  local pid
  pid=$(cat "$HOME_DIR/run/libpod/tmp/pause.pid" 2>/dev/null) || return 0
  kill "$pid"
  tail --pid "$pid" -f /dev/null
}
at_exit end_podman

pod import -q root.tar busy:1 >/dev/null

maps=$'0 1000 1\n1 100000 65536'
out=$(pod run --rm --network none busy:1 /bin/sh -c 'id -u; cat /proc/self/uid_map; echo x >/dev/null && echo written; cat /proc/1/oom_score_adj')
assert_eq "$(tr -s ' ' <<<"$out" | sed 's/^ //')" $'0\n'"$maps"$'\nwritten\n0' "podman run"

# The host's network namespace is not this user's: its sysfs is bound.
out=$(pod run --rm --network host busy:1 /bin/sh -c 'mount | grep -c " /sys type sysfs (ro"; touch /sys/x 2>/dev/null || echo refused')
assert_eq "$out" $'1\nrefused' "podman run --network host"

out=$(pod run --rm --network none --user 5:6 --userns keep-id busy:1 /bin/sh -c 'id -u; id -g; cat /proc/self/uid_map')
assert_contains "$out" $'5\n6\n' "podman run --userns keep-id"
assert_contains "$(tr -s ' ' <<<"$out")" "1000 0 1" "podman run --userns keep-id"

pod run -d --name c1 --network none busy:1 /bin/sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 1; done' >/dev/null
until [[ $(pod logs c1) == ready ]]; do :; done
assert_eq "$(pod exec c1 /bin/sh -c 'id -u; echo /proc/[0-9]*' | tr '\n' ' ' | cut -d' ' -f1,2)" "0 /proc/1" "podman exec"
assert_contains "$(pod exec -t c1 /bin/sh -c '[ -t 1 ] && echo a terminal')" "a terminal" "podman exec -t"
assert_contains "$(pod ps --format '{{.Names}} {{.Status}}')" "c1 Up" "podman ps"
pod stop -t 20 c1 >/dev/null
assert_eq "$(pod inspect --format '{{.State.ExitCode}}' c1)" 7 "the exit code after podman stop"
pod rm c1 >/dev/null

# A limit that nobody delegated the cgroup for.
gives 126 pod run --rm --network none --memory 50m busy:1 /bin/true
assert_contains "$out" "make the cgroup" "a limit without a cgroup"

# And the runner by itself: its own tests with this kernel.
TMPDIR=$CASE_DIR python3 -B "$LIB_DIR/../root/runner_test.py" "$CASE_DIR/slipway" rootless_cases
