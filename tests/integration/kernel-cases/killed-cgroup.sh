#!/bin/bash
# From a cgroup that was once killed everything starts all the same, though Linux from 6.12.14 on kills what is cloned from there into another.
# timeout: 200
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"

killed=/sys/fs/cgroup/slipway-case-killed
mkdir "$killed"
at_exit rmdir "$killed"
echo 1 >"$killed/cgroup.kill"

# inside COMMAND…: from within the cgroup.
inside() {
  (
    echo "$BASHPID" >"$killed/cgroup.procs"
    exec "$@"
  )
}

# What the kernel does by itself, so that this case is known to be about something.
cat >"$CASE_DIR/probe.py" <<'END'
import ctypes, os, struct, sys
target = os.open(sys.argv[1], os.O_RDONLY)
arguments = struct.pack("11Q", 0x200000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, target)  # CLONE_INTO_CGROUP, SIGCHLD
pid = ctypes.CDLL(None).syscall(435, arguments, len(arguments))
if pid == 0:
    os._exit(0)
_, status = os.waitpid(pid, 0)
print("killed" if os.WIFSIGNALED(status) else "lives")
END
mkdir "$killed.other"
at_exit rmdir "$killed.other"
assert_eq "$(python3 "$CASE_DIR/probe.py" "$killed.other")" lives "a clone from a cgroup that was never killed"
echo "note: a bare clone from the killed cgroup $(inside python3 "$CASE_DIR/probe.py" "$killed.other")"

bundle=$CASE_DIR/bundle
mkdir -p "$bundle/rootfs/bin"
cp /bin/busybox "$bundle/rootfs/bin/busybox"
(cd "$bundle" && slipway spec)
# config [JQ]
config() {
  jq ".process.terminal = false | .linux.cgroupsPath = \"/slipway-case-run\" | ${1:-.}" "$bundle/config.json" >"$bundle/new"
  mv "$bundle/new" "$bundle/config.json"
}
oci() { slipway --root "$CASE_DIR/oci" "$@"; }
config '.process.args = ["/bin/busybox", "sh", "-c", "cat /proc/self/cgroup; echo $$; exit 3"]'
status=0
said=$(cd "$bundle" && inside slipway --root "$CASE_DIR/oci" run one) || status=$?
assert_eq "$said $status" $'0::/\n1 3' "run"
# The second clone of a user namespace is made by a process that is in the container's cgroup already.
config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
  .linux.gidMappings = .linux.uidMappings'
status=0
said=$(cd "$bundle" && inside slipway --root "$CASE_DIR/oci" run two) || status=$?
assert_eq "$said $status" $'0::/\n1 3' "run with a user namespace"
config '.linux.namespaces |= map(select(.type != "user")) | .linux.uidMappings = [] | .linux.gidMappings = [] |
  .process.args = ["/bin/busybox", "sleep", "1000"]'
(cd "$bundle" && inside slipway --root "$CASE_DIR/oci" run -d three </dev/null >/dev/null 2>&1)
at_exit oci delete --force three
assert_eq "$(cat /proc/"$(oci state three | jq .pid)"/cgroup)" 0::/slipway-case-run "where it is"
assert_eq "$(inside slipway --root "$CASE_DIR/oci" exec three /bin/busybox cat /proc/self/cgroup)" 0::/ "where an exec is"
# A limit in which nothing starts is an error still, and nothing stays.
config '.linux.cgroupsPath = "/slipway-case-small" | .linux.resources = {memory: {limit: 4096}}'
if inside slipway --root "$CASE_DIR/oci" run --bundle "$bundle" four; then fail "a program ran in 4 KiB"; fi
[[ ! -e /sys/fs/cgroup/slipway-case-small ]] || fail "the cgroup is left"
oci delete --force three
assert_eq "$(ls "$CASE_DIR/oci")" "" "state directories"

# slipwayd in such a cgroup: its monitors and their containers.
start_registry
cni_network
start_slipwayd
echo "$SLIPWAYD_PID" >"$killed/cgroup.procs"
busybox=$(pull busybox)
pod=$(run_pod killed)
c=$(started killed "$pod" main "$busybox" . sleep 1000)
assert_eq "$(exec_out "$c" echo alive)" alive
remove_pod "$pod"
stop_slipwayd
