#!/bin/bash
# slipway --systemd-cgroup: SLICE:PREFIX:NAME, the unit's properties, what a reload leaves, run, exec, kill and delete; nothing is left.
# timeout: 90
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

# What systemd has to know so as to leave it: the limits, memory.oom.group among them, and what the caller's annotations say. Device rules
# it knows nothing of, and leaves too.
config '["busybox", "sleep", "1000"]' '"caseruns-a.slice:case:kept"'
jq '.annotations = {"org.systemd.property.KillSignal": "2", "org.systemd.property.TimeoutStopUSec": "uint64 7000000",
    "org.systemd.property.Documentation": "[\u0027man:sleep(1)\u0027]", "org.systemd.property.RuntimeMaxSec": "7200", "org.example": "x"} |
  .root.readonly = false | .process.capabilities.bounding += ["CAP_MKNOD"] | .process.capabilities.effective += ["CAP_MKNOD"] | .process.capabilities.permitted += ["CAP_MKNOD"] |
  .linux.resources += {unified: {"memory.oom.group": "1"}, pids: {limit: 0}, devices: [{allow: false, access: "rwm"}]}' \
  "$bundle/config.json" >"$bundle/new" && mv "$bundle/new" "$bundle/config.json"
s create --bundle "$bundle" kept
s start kept
at=/sys/fs/cgroup/caseruns.slice/caseruns-a.slice/case-kept.scope
asked() {
  for name in KillSignal TimeoutStopUSec Documentation RuntimeMaxUSec OOMPolicy TasksMax; do property case-kept.scope "$name"; done
  cat "$at/memory.oom.group" "$at/memory.max" "$at/pids.max"
}
want=$'2\n7s\n"man:sleep(1)"\n2h\nkill\n1\n1\n67108864\n1'
assert_eq "$(asked)" "$want" "what was asked for"
s update --pids-limit 20 kept
want=${want/$'kill\n1\n'/$'kill\n20\n'}
want=${want%1}20
for verb in daemon-reload daemon-reexec; do
  systemctl "$verb"
  systemctl is-system-running >/dev/null || true # what systemd leaves for later happens before it answers
  assert_eq "$(asked)" "$want" "what was asked for, after $verb"
  said=$(s exec --cap CAP_MKNOD kept sh -c 'busybox mknod /k c 1 11 && busybox head -c 1 /k; busybox rm -f /k; busybox head -c 1 /dev/zero | busybox wc -c' 2>&1)
  assert_contains "$said" "Operation not permitted" "kmsg after $verb"
  assert_matches "$said" '1$' "zero after $verb"
done
s delete --force kept
wait_for 10 "end of the scope" unit_gone case-kept.scope
jq '.annotations = {"org.systemd.property.TimeoutStopSec": "soon"}' "$bundle/config.json" >"$bundle/new" && mv "$bundle/new" "$bundle/config.json"
assert_fails "annotations.org.systemd.property.TimeoutStopSec: 'soon': at character 0" s run --bundle "$bundle" kept
jq '.annotations = {"org.systemd.property.NoSuchThing": "1"}' "$bundle/config.json" >"$bundle/new" && mv "$bundle/new" "$bundle/config.json"
assert_fails "NoSuchThing" s run --bundle "$bundle" kept

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
