#!/bin/bash
# slipway --systemd-cgroup: SLICE:PREFIX:NAME, the unit's properties, run, exec, kill and delete; nothing is left.
# timeout: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../systemd.sh"
bundle=$CASE_DIR/bundle
mkdir -p "$bundle/rootfs/bin" "$bundle/rootfs/proc" "$bundle/rootfs/dev" "$bundle/rootfs/sys"
cp /bin/busybox "$bundle/rootfs/bin/busybox"
ln -s busybox "$bundle/rootfs/bin/sh"
s() { slipway --systemd-cgroup --root "$CASE_DIR/run" "$@"; }
config() {
  (cd "$bundle" && rm -f config.json && slipway spec)
  jq ".process.terminal = false | .process.args = $1 | .linux.cgroupsPath = $2 | .linux.resources = {memory: {limit: 67108864}, pids: {limit: 20}}" \
    "$bundle/config.json" >"$bundle/new" && mv "$bundle/new" "$bundle/config.json"
}
config '["sh", "-c", "busybox cat /proc/self/cgroup; exit 5"]' '"caseruns-a.slice:case:one"'
at_exit systemctl stop caseruns.slice
status=0
said=$(s run --bundle "$bundle" one) || status=$?
assert_eq "$status $said" "5 0::/"
wait_for 10 "end of the scope" unit_gone case-one.scope

config '["busybox", "sleep", "1000"]' '"caseruns-a.slice:case:two"'
s create --bundle "$bundle" two
pid=$(s state two | jq .pid)
assert_eq "$(cgroup_of "$pid")" /caseruns.slice/caseruns-a.slice/case-two.scope
assert_eq "$(property case-two.scope MemoryMax) $(property case-two.scope TasksMax)" "67108864 20"
s start two
s exec two busybox true
s kill two KILL
wait_for 10 "end" gone "$pid"
s delete two
wait_for 10 "end of the scope" unit_gone case-two.scope

# Without cgroupsPath: system.slice.
config '["busybox", "sleep", "1000"]' '""'
s create --bundle "$bundle" plain
assert_eq "$(cgroup_of "$(s state plain | jq .pid)")" /system.slice/slipway-plain.scope
s delete --force plain
config '["busybox", "true"]' '":case:three+"'
assert_fails "'case-three+.scope' cannot be the name of a systemd unit" s run --bundle "$bundle" three
config '["busybox", "true"]' '"/not/of/systemd"'
assert_fails "not of the form SLICE:PREFIX:NAME" s run --bundle "$bundle" four
unit_gone slipway-plain.scope || fail "slipway-plain.scope is left"
