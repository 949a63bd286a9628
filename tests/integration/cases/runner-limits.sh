#!/bin/bash
# timeout: 300
# The runner's cgroup limits as files and as facts: memory, swap, pids, cpu, cpuset, io, unified; the least memory that a program starts in.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

bundle=$CASE_DIR/bundle
mkdir -p "$bundle/rootfs/bin"
cp /bin/busybox "$bundle/rootfs/bin/busybox"
(cd "$bundle" && slipway spec)

# config RESOURCES SCRIPT
config() {
  jq --argjson resources "$1" --arg script "$2" '.process.terminal = false | .process.args = ["/bin/busybox", "sh", "-c", $script] |
    .linux.cgroupsPath = "/runner-case" | .linux.resources = $resources' "$bundle/config.json" >"$bundle/new"
  mv "$bundle/new" "$bundle/config.json"
}
run() { slipway --root "$CASE_DIR/oci" run --bundle "$bundle" limited; }

# shellcheck disable=SC2016
config '{"memory": {"limit": 536870912, "reservation": 268435456, "swap": 1073741824}, "pids": {"limit": 1024},
  "cpu": {"shares": 2048, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
  "unified": {"memory.high": "400000000", "memory.oom.group": "1"}}' \
  'cd /sys/fs/cgroup; for f in memory.max memory.low memory.swap.max memory.high memory.oom.group pids.max cpu.weight cpu.max cpuset.cpus; do
     /bin/busybox cat $f; done'
assert_eq "$(run)" $'536870912\n268435456\n536870912\n399998976\n1\n1024\n174\n50000 100000\n0' "limits inside"
[[ ! -e /sys/fs/cgroup/runner-case ]] || fail "the cgroup is left"

# I/O: a limit of the disk's and a weight, as files and as a fact; beside them a limit for a device that is none.
disk=$(lsblk -dno MAJ:MIN /dev/vda | tr -d ' ')
device="{\"major\": ${disk%:*}, \"minor\": ${disk#*:}"
# shellcheck disable=SC2016  # the container's shell expands these
config "{\"blockIO\": {\"weight\": 500, \"throttleReadBpsDevice\": [$device, \"rate\": 1048576}], \"throttleWriteIOPSDevice\": [$device, \"rate\": 77}]},
  \"devices\": [{\"allow\": true, \"type\": \"b\", ${device#\{}, \"access\": \"r\"}]}" \
  'cd /sys/fs/cgroup; for f in io.max io.bfq.weight io.weight; do [ ! -e $f ] || /bin/busybox cat $f; done; /bin/busybox dd if=/dev/vda of=/dev/null bs=1M count=4 iflag=direct 2>&1'
jq ".linux.devices = [$device, \"type\": \"b\", \"path\": \"/dev/vda\"}]" "$bundle/config.json" >"$bundle/new"
mv "$bundle/new" "$bundle/config.json"
before=${EPOCHREALTIME/./}
said=$(run)
took=$(((${EPOCHREALTIME/./} - before) / 1000))
assert_contains "$said" "$disk rbps=1048576 wbps=max riops=max wiops=77" "io.max"
assert_matches "$said" $'\n(default 4950|default 500|500)\n' "the weight"
assert_contains "$said" "4+0 records out" "reading"
assert_le 2500 "$took" "milliseconds of 4 MiB at 1 MiB a second"
config '{"blockIO": {"throttleReadBpsDevice": [{"major": 240, "minor": 200, "rate": 5}]}}' true
assert_fails "write '240:200 rbps=5' to" run
jq 'del(.linux.devices)' "$bundle/config.json" >"$bundle/new"
mv "$bundle/new" "$bundle/config.json"

# Past the memory limit: killed, and the status says so.
# shellcheck disable=SC2016  # the container's shell expands these
config '{"memory": {"limit": 16777216, "swap": 16777216}}' 'x=0123456789abcdef; while :; do x=$x$x; done'
status=0
run || status=$?
assert_eq "$status" 137 "status of the greedy one"

# Past the pids limit: no more forks.
# shellcheck disable=SC2016
config '{"pids": {"limit": 7}}' 'i=0; while [ $i -lt 20 ]; do /bin/busybox sleep 5 & i=$((i+1)); done; wait'
said=$(run 2>&1 || true)
assert_contains "$said" "can't fork" "too many processes"

# A limit of 0 is one (config-linux.md): what runs is there, nothing more may be.
config '{"pids": {"limit": 0}}' '/bin/busybox true & wait; echo not reached'
said=$(run 2>&1 || true)
assert_contains "$said" "can't fork" "a limit of no processes"
config '{"pids": {}}' '/bin/busybox true & wait; /bin/busybox cat /sys/fs/cgroup/pids.max'
assert_eq "$(run)" max "no limit said"

# An idle group: the least weight there is, and none beside it.
config '{"cpu": {"idle": 1, "shares": 1024}}' '/bin/busybox cat /sys/fs/cgroup/cpu.idle /sys/fs/cgroup/cpu.weight'
assert_eq "$(run)" $'1\n0' "an idle container"

# The least memory in which a program starts: init is charged for next to nothing.
jq '.process.args = ["/bin/busybox", "true"] | .linux.resources = {memory: {limit: 262144}}' "$bundle/config.json" >"$bundle/new"
mv "$bundle/new" "$bundle/config.json"
# On a busy machine the other processor's stock of charges (mm/memcontrol.c) may come back too late: each start may be tried twice.
for _ in 1 2 3; do run || run || fail "nothing starts in 256 KiB"; done

# A limit too low for anything is an error or a kill, never a hang, and nothing stays.
jq '.linux.resources = {memory: {limit: 4096}}' "$bundle/config.json" >"$bundle/new"
mv "$bundle/new" "$bundle/config.json"
status=0
run || status=$?
[[ $status -ne 0 ]] || fail "a program ran in 4 KiB"
[[ ! -e /sys/fs/cgroup/runner-case ]] || fail "the cgroup is left"
[[ -z $(ls "$CASE_DIR/oci") ]] || fail "a state directory is left"

# exec goes into the same cgroup and under the same limits.
config '{"pids": {"limit": 100}}' 'exec /bin/busybox sleep 1000'
slipway --root "$CASE_DIR/oci" run -d --bundle "$bundle" limited </dev/null >/dev/null 2>&1
at_exit slipway --root "$CASE_DIR/oci" delete --force limited
assert_eq "$(slipway --root "$CASE_DIR/oci" exec limited /bin/busybox cat /proc/self/cgroup)" "0::/" "cgroup of exec"
slipway --root "$CASE_DIR/oci" exec limited /bin/busybox sleep 1000 &
other=$!
two_processes() { [[ $(wc -l </sys/fs/cgroup/runner-case/cgroup.procs) -eq 2 ]]; }
wait_for 10 "second process in the cgroup" two_processes

# Other limits while it runs, and what they are to who asks for events.
slipway --root "$CASE_DIR/oci" update --memory 64MiB --memory-swap 0.125g --pids-limit 50 --cpu-quota 20000 --cpu-share 512 limited
echo '{"pids": {"limit": 60}, "memory": {"reservation": 4194304}}' | slipway --root "$CASE_DIR/oci" update --resources - --cpu-burst 1000 limited
assert_eq "$(cd /sys/fs/cgroup/runner-case && cat memory.max memory.swap.max memory.low pids.max cpu.max cpu.max.burst cpu.weight)" \
  $'67108864\n67108864\n4194304\n60\n20000 100000\n1000\n59' "updated limits"
assert_eq "$(slipway --root "$CASE_DIR/oci" events --stats limited | jq -c '[.type, .id, .data.pids.current, .data.pids.limit, .data.memory.usage.limit]')" \
  '["stats","limited",2,60,67108864]' "statistics"
# checkBeforeUpdate: a limit below what is in use is refused, and nothing has changed; without it the kernel takes it.
slipway --root "$CASE_DIR/oci" exec limited /bin/busybox dd if=/dev/zero of=/dev/shm/fill bs=1M count=24 2>/dev/null
low() { echo "{\"memory\": {\"limit\": 16777216, \"swap\": -1, \"checkBeforeUpdate\": $1}}" | slipway --root "$CASE_DIR/oci" update --resources - limited; }
assert_fails "linux.resources.memory.limit: 16777216 is below the " low true
assert_eq "$(cd /sys/fs/cgroup/runner-case && cat memory.max memory.swap.max)" $'67108864\n67108864' "limits after a refused update"
slipway --root "$CASE_DIR/oci" exec limited /bin/busybox rm /dev/shm/fill
low true
assert_eq "$(</sys/fs/cgroup/runner-case/memory.max)" 16777216 "a limit that there is room for"
slipway --root "$CASE_DIR/oci" update --memory 64m --memory-swap 128m limited
assert_fails "less than the memory limit" slipway --root "$CASE_DIR/oci" update --memory 64m --memory-swap 32m limited
slipway --root "$CASE_DIR/oci" kill --all limited KILL
status=0
wait "$other" || status=$?
assert_eq "$status" 137 "status of the killed exec"
