#!/bin/bash
# kill -9 of slipwayd: a container that writes numbered lines shows each once, exits meanwhile are told, nothing is lost.
# timeout: 240
# seconds: 70
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)
pod=$(run_pod steady)
monitors=$(pgrep -f slipway-monitor)
assert_matches "$monitors" '^[0-9]+$' "one monitor of one pod"
assert_eq "$(awk '/^Threads:/ { print $2 }' "/proc/$monitors/status")" 1 "threads of the monitor"

writer=$(started steady "$pod" writer "$busybox" . sh -c 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); [ $((i % 100)) -ne 0 ] || sleep 0.2; done')
brief=$(started steady "$pod" brief "$busybox" . sh -c 'sleep 2; exit 9')
for _ in 1 2 3 4 5; do
  kill_slipwayd
  start_slipwayd
  assert_eq "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.state)" SANDBOX_READY
done
wait_for 90 "end of the writer" exited "$writer"
wait_for 30 "end of the brief one" exited "$brief"
assert_eq "$(status "$brief" exit_code)" 9
assert_eq "$(status "$writer" exit_code)" 0
assert_eq "$(status "$writer" reason)" Completed
assert_eq "$(log_of steady writer | md5sum)" "$(seq 0 1999 | sed 's/^/line /' | md5sum)" "the lines of the log"

# While slipwayd is away: an exit, and exec afterwards works in a container that is older than this slipwayd.
living=$(started steady "$pod" living "$busybox" . sleep 1000)
gone=$(started steady "$pod" gone "$busybox" . sh -c 'sleep 1; exit 4')
kill_slipwayd
sleep 2 # the exit happens now, with nobody there
start_slipwayd
wait_for 10 "exit told" exited "$gone"
assert_eq "$(status "$gone" exit_code)" 4
assert_eq "$(exec_out "$living" echo here)" here

# Between create and start there are files alone; in the middle of a start, whatever was made is gone on with or taken back.
waits=$(create steady "$pod" waits "$busybox" . echo started)
kill_slipwayd
start_slipwayd
assert_eq "$(status "$waits" state)" CONTAINER_CREATED
start "$waits"
wait_for 10 "its end" exited "$waits"
assert_eq "$(log_of steady waits)" started
for delay in 0.002 0.005 0.01 0.02 0.03 0.05; do
  torn=$(create steady "$pod" "torn$delay" "$busybox" . sleep 1000)
  (start "$torn" || true) >/dev/null 2>&1 &
  starting=$!
  sleep "$delay"
  kill_slipwayd
  wait "$starting" || true
  start_slipwayd
  state=$(status "$torn" state)
  if [[ $state == CONTAINER_CREATED ]]; then start "$torn"; fi
  assert_eq "$(status "$torn" state)" CONTAINER_RUNNING "killed after $delay s, then $state"
  assert_eq "$(exec_out "$torn" echo here)" here
  remove_container "$torn"
done

# A monitor that is killed takes its own pod with it and nothing else.
other=$(run_pod other)
victim=$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\", \"verbose\": true}" | jq -r '.info | to_entries[0].value | fromjson | .. | .monitor_pid? // empty' | head -n 1)
kill -KILL "$victim"
wait_for 20 "NotReady" bash -c "[[ \$('$SLIPWAY_TESTS/cri_call' unix://$SOCKET PodSandboxStatus '{\"pod_sandbox_id\": \"$pod\"}' | jq -r .status.state) == SANDBOX_NOTREADY ]]"
wait_for 20 "end of its container" exited "$living"
assert_eq "$(status "$living" reason)" MonitorLost
assert_eq "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$other\"}" | jq -r .status.state)" SANDBOX_READY
for p in "$pod" "$other"; do
  stop_pod "$p"
  remove_pod "$p"
done

# A plugin that the kill leaves at work ends alone, its rules made; the DEL comes after it and finds the namespace, so that none of them stays (the probe
# looks).
mkdir "$CASE_DIR/slow"
for plugin in "$CNI_BIN"/*; do ln -s "$plugin" "$CASE_DIR/slow/"; done
rm "$CASE_DIR/slow/bridge"
cat >"$CASE_DIR/slow/bridge" <<END
#!/bin/sh
[ "\$CNI_COMMAND" = ADD ] || exec $CNI_BIN/bridge
$CNI_BIN/bridge >$CASE_DIR/added && touch $CASE_DIR/begun
sleep 5
cat $CASE_DIR/added
END
chmod +x "$CASE_DIR/slow/bridge"
stop_slipwayd
CNI_BIN=$CASE_DIR/slow
start_slipwayd
(run_pod slow || true) >/dev/null 2>&1 &
wait_for 20 "ADD" test -e "$CASE_DIR/begun"
kill_slipwayd
start_slipwayd
slow=$(cri ListPodSandbox | jq -r '.items[].id')
assert_eq "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$slow\"}" | jq -r .status.state)" SANDBOX_NOTREADY "a pod whose start was cut short"
wait_for 60 "its stop" cri StopPodSandbox "{\"pod_sandbox_id\": \"$slow\"}"
remove_pod "$slow"
