#!/bin/bash
# timeout: 300
# containerd drives slipway as it drives runc: run, exec, pause, signals, exit status, errors.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

rootfs=$CASE_DIR/rootfs
mkdir -p "$rootfs/bin"
cp /bin/busybox "$rootfs/bin/busybox"
for applet in sh sleep id tr; do ln "$rootfs/bin/busybox" "$rootfs/bin/$applet"; done

config=$CASE_DIR/containerd.toml
cat >"$config" <<END
version = 2
root = "$CASE_DIR/containerd-root"
state = "/run/runner-containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$CASE_DIR/containerd.sock"
END
containerd --config "$config" >"$CASE_DIR/containerd.log" 2>&1 &
daemon=$!
end_containerd() {
  kill "$daemon"
  wait "$daemon" || true
  rm -rf /run/runner-containerd
  rmdir /sys/fs/cgroup/default  # containerd's own parent of its containers' cgroups
}
at_exit end_containerd
ctr() { command ctr --address "$CASE_DIR/containerd.sock" "$@"; }
wait_for 30 "answer of containerd" ctr version

run() { ctr run --runc-binary "$(command -v slipway)" --rootfs "$@"; }

assert_eq "$(run --rm "$rootfs" one /bin/sh -c 'echo from inside; id -u')" $'from inside\n0' "output"
status=0
run --rm "$rootfs" two /bin/sh -c 'exit 7' || status=$?
assert_eq "$status" 7 "exit status"
assert_fails "executable file not found" run --rm "$rootfs" three no-such-program

run --detach "$rootfs" four /bin/sleep 1000 >/dev/null
at_exit eval 'ctr task kill --signal KILL four; ctr container delete four' '>/dev/null' '2>&1'
assert_eq "$(ctr task exec --exec-id a four /bin/sh -c 'tr "\0" " " </proc/1/cmdline')" "/bin/sleep 1000 " "exec"
status=0
ctr task exec --exec-id b four /bin/sh -c 'exit 9' || status=$?
assert_eq "$status" 9 "status of exec"
ctr task pause four
assert_contains "$(ctr task list)" PAUSED
ctr task resume four
assert_contains "$(ctr task list)" RUNNING
ctr task kill --signal KILL four
wait_for 10 "end of the task" eval 'ctr task list | grep -q STOPPED'
ctr task delete four || true
assert_lacks "$(ctr task list)" four
[[ -z $(ls /run/runner-containerd/io.containerd.runtime.v2.task/default 2>/dev/null) ]] || fail "bundles are left"
