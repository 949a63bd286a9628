#!/bin/bash
# timeout: 300
# containerd drives slipway as it drives runc: run, exec, terminals, settings, pause, metrics, signals, exit status, errors.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

rootfs=$CASE_DIR/rootfs
mkdir -p "$rootfs/bin"
cp /bin/busybox "$rootfs/bin/busybox"
for applet in sh sleep id tr cat echo stty tty grep; do ln "$rootfs/bin/busybox" "$rootfs/bin/$applet"; done

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

# What a caller sets.
gives 0 run --rm --env A=B --cwd /bin --read-only --cap-drop CAP_CHOWN --seccomp \
  --mount "type=bind,src=$CASE_DIR,dst=/tmp,options=rbind:ro" "$rootfs" set /bin/sh -c \
  'exec 2>&1; echo $A; /bin/busybox pwd; /bin/grep -E "^(CapBnd|Seccomp):" /proc/self/status; echo x >/x; echo x >/tmp/x; true'
assert_eq "$out" "B
/bin
CapBnd:	00000000a80425fa
Seccomp:	2
/bin/sh: can't create /x: Read-only file system
/bin/sh: can't create /tmp/x: Read-only file system" "what is set"

# Terminals: containerd's shim gets them over a console socket.
ctr_words=(ctr --address "$CASE_DIR/containerd.sock")
gives 6 python3 "$LIB_DIR/pty_client.py" 24x80 'expect=# ' 'send=tty\n' expect=/dev/pts/0 "send=$(when_size 24 80)\\n" 'expect=24 80' resize=33x77 \
  "send=$(when_size 33 77)\\n" 'expect=33 77' 'send=exit 6\n' -- "${ctr_words[@]}" run --rm --tty --runc-binary "$(command -v slipway)" --rootfs "$rootfs" tty \
  /bin/sh -c 'PATH=/bin exec sh'

run --detach --memory-limit 67108864 --cpus 0.5 "$rootfs" four /bin/sleep 1000 >/dev/null
at_exit eval 'ctr task kill --signal KILL four; ctr container delete four' '>/dev/null' '2>&1'
assert_eq "$(ctr task exec --exec-id a four /bin/sh -c 'tr "\0" " " </proc/1/cmdline')" "/bin/sleep 1000 " "exec"
status=0
ctr task exec --exec-id b four /bin/sh -c 'exit 9' || status=$?
assert_eq "$status" 9 "status of exec"
assert_eq "$(cat /sys/fs/cgroup/default/four/memory.max /sys/fs/cgroup/default/four/cpu.max)" $'67108864\n50000 100000' "limits"
gives 4 python3 "$LIB_DIR/pty_client.py" 24x80 'expect=# ' 'send=/bin/tty\n' expect=/dev/pts/0 'send=exit 4\n' -- \
  "${ctr_words[@]}" task exec --tty --exec-id t four /bin/sh
pid=$(ctr task list | awk '$1 == "four" { print $2 }')
ctr task exec --detach --exec-id c four /bin/sleep 2000
assert_eq "$(ctr task ps four | awk 'NR > 1 { print $1 }' | head -n 1)" "$pid" "the number that containerd lists"
wait_for 10 "both processes" eval '[[ $(ctr task ps four | wc -l) == 3 ]]'
assert_contains "$(ctr task ps four)" "c" "the exec's id"
assert_eq "$(ctr task metrics --format json four | jq -r .pids.current)" 2 "metrics"
assert_fails "executable file not found" ctr task exec --exec-id d four no-such-program
ctr task pause four
assert_contains "$(ctr task list)" PAUSED
ctr task resume four
assert_contains "$(ctr task list)" RUNNING
ctr task kill --signal KILL four
wait_for 10 "end of the task" eval 'ctr task list | grep STOPPED >/dev/null'
ctr task delete four || true
assert_lacks "$(ctr task list)" four
[[ -z $(ls /run/runner-containerd/io.containerd.runtime.v2.task/default 2>/dev/null) ]] || fail "bundles are left"
