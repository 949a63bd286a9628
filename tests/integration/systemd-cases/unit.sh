#!/bin/bash
# slipwayd as the unit that is installed: restarted, killed and stopped, and a pod does not notice.
# timeout: 160
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
. "$(dirname "$0")/../systemd.sh"
start_registry
mkdir -p "$CNI_CONF" /run/systemd/system/slipwayd.service.d
sed "s|@SLIPWAY_BINDIR@|$SLIPWAY_BIN|" "$LIB_DIR/../../packaging/systemd/slipwayd.service.in" >/run/systemd/system/slipwayd.service
cat >/run/systemd/system/slipwayd.service.d/case.conf <<END
[Service]
ExecStart=
ExecStart=$SLIPWAY_BIN/slipwayd --listen unix://$SOCKET --root $CASE_DIR/root --state $CASE_DIR/state --cni-conf-dir $CNI_CONF --cgroup-driver systemd
StandardError=append:$CASE_DIR/slipwayd.log
END
take_unit_away() {
  systemctl stop slipwayd.service
  rm -r /run/systemd/system/slipwayd.service*
  systemctl daemon-reload
}
at_exit take_unit_away
systemctl daemon-reload
systemctl start slipwayd.service
# Type=notify: the start's end is the beginning of answers, with no wait of ours between.
assert_eq "$(cri Version | jq -r .runtime_name)" slipway
for wanted in Type=notify Delegate=yes KillMode=process TasksMax=infinity OOMScoreAdjust=-999 ActiveState=active; do
  assert_eq "$(property slipwayd.service "${wanted%%=*}")" "${wanted#*=}" "${wanted%%=*}"
done
assert_contains "$(property slipwayd.service Before)" kubelet.service
assert_eq "$(cat "/proc/$(property slipwayd.service MainPID)/oom_score_adj")" -999

# The one monitor; the writer of its logs is a fork with the same arguments and a name of its own.
monitor_now() {
  local each
  for each in $(pgrep -f slipway-monitor); do
    [[ $(cat "/proc/$each/comm") == slipway-logs ]] || echo "$each"
  done
}

busybox=$(pull busybox)
pod=$(run_pod steady '.linux.security_context.namespace_options = {network: "NODE", pid: "CONTAINER"}')
monitor=$(monitor_now)
assert_eq "$(cgroup_of "$monitor")" "/slipway.slice/slipway-monitors.slice/slipway-monitor-$pod.scope" "the monitor's cgroup"
c=$(started steady "$pod" writer "$busybox" . sh -c 'i=0; while [ $i -lt 600 ]; do echo line $i; i=$((i+1)); [ $((i % 20)) -ne 0 ] || sleep 0.2; done; sleep 1000')
pid=$(pid_of "$c")
assert_eq "$(cat "/proc/$pid/oom_score_adj")" 0 "the container's, not the unit's"
first=$(property slipwayd.service MainPID)
for how in restart restart reexec kill; do
  case $how in
    restart) systemctl restart slipwayd.service ;;
    reexec) systemctl daemon-reexec && systemctl restart slipwayd.service ;;
    kill) systemctl kill -s KILL --kill-who=main slipwayd.service && wait_for 20 "restart by systemd" cri Version ;;
  esac
  second=$(property slipwayd.service MainPID)
  [[ $second != "$first" ]] || fail "$how: slipwayd is the same process"
  first=$second
  assert_eq "$(pid_of "$c") $(monitor_now)" "$pid $monitor" "processes after $how"
  assert_eq "$(status "$c" state)" CONTAINER_RUNNING
done
wait_for 60 "the last line" grep -q 'line 599' "$CASE_DIR/logs/steady/writer.log"
assert_eq "$(log_of steady writer | md5sum)" "$(seq 0 599 | sed 's/^/line /' | md5sum)" "the lines of the log"
systemctl stop slipwayd.service
[[ -e /proc/$pid && -e /proc/$monitor ]] || fail "stopping the unit ended the pod"
systemctl start slipwayd.service

# A monitor that dies: what is beneath its pod's slice is ended, the units go.
kill -KILL "$monitor"
wait_for 20 "end of the container" exited "$c"
assert_eq "$(status "$c" reason)" MonitorLost
wait_for 10 "end of the scope" unit_gone "slipway-$c.scope"
gone "$pid" || fail "the container's process is still there"
remove_pod "$pod"
assert_eq "$(systemctl list-units --all --plain --no-legend 'slipway-*.scope' "*$pod*")" "" "units that are left"
