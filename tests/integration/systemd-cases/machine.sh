#!/bin/bash
# The guest itself: systemd is PID 1, the case a process of a unit; and `run --here` runs cases on a host such as this.
# timeout: 60
. "$(dirname "$0")/../lib.sh"
assert_eq "$(cat /proc/1/comm)" systemd
assert_eq "$(stat -f -c %T /sys/fs/cgroup)" cgroup2fs
assert_contains "$(systemctl show -p Version --value)" 252
assert_eq "$(systemctl is-active dbus.service slipway-vm.service | sort -u)" active
assert_eq "$(systemctl list-units --failed --plain --no-legend)" "" "failed units"

status=0
SLIPWAY_CASE_SCOPE=slipway-inner.scope \
  tests/vm/run --results "$CASE_DIR/results" --here -- tests/vm/guest/run-cases tests/vm/selftest/cases 'passes' || status=$?
assert_eq "$status $(cat "$CASE_DIR/results/passes.status")" "0 pass" "run --here"
