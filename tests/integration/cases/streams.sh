#!/bin/bash
# Exec, attach and port-forward as the kubelet's clients do them, by SPDY and by WebSocket.
# timeout: 300
# seconds: 40
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)
pod=$(run_pod web)
c=$(started web "$pod" main "$busybox" '.stdin = true' sh -c 'nc -ll -p 8080 -e cat & while read line; do echo "got $line"; done; echo end; sleep 1000')

# exec_url JQ COMMAND…: JQ changes the ExecRequest.
exec_url() {
  local filter=$1
  shift
  cri Exec "$(jq -n --arg id "$c" '{container_id: $id, cmd: $ARGS.positional, stdout: true, stderr: true}' --args -- "$@" | jq "$filter")" | jq -r .url
}
attach_url() { cri Attach "$(jq -n --arg id "$1" '{container_id: $id, stdin: true, stdout: true, stderr: true}' | jq "${2:-.}")" | jq -r .url; }
stream() { "$LIB_DIR/stream_client.py" "$@"; }
# streams STATUS OUT ERR ARGUMENTS…: the client's exit and what it wrote.
streams() {
  local want=$1 out=$2 err=$3 status=0
  shift 3
  stream "$@" >"$CASE_DIR/out" 2>"$CASE_DIR/err" || status=$?
  assert_eq "$status|$(cat "$CASE_DIR/out")|$(cat "$CASE_DIR/err")" "$want|$out|$err" "$*"
}
# gives STATUS COMMAND…: its output is whatever it was.
gives() {
  local want=$1 status=0
  shift
  "$@" || status=$?
  assert_eq "$status" "$want" "status of $*"
}
# read_by PID…: bytes that these processes have read by now, and their children that have ended (proc_pid_io(5)).
read_by() {
  local pid sum=0
  for pid; do sum=$((sum + $(awk '$1 == "rchar:" { print $2 }' "/proc/$pid/io"))); done
  echo "$sum"
}
alive() { pgrep -f "$1" >/dev/null; }
ended() { ! alive "$1"; }

echo "$SECONDS s: what is refused"
assert_fails "INVALID_ARGUMENT: cmd" exec_url .
assert_fails "INVALID_ARGUMENT: stdin, stdout, stderr" exec_url '.stdout = false | .stderr = false' true
assert_fails "INVALID_ARGUMENT: stderr" exec_url '.tty = true' true
assert_fails "INVALID_ARGUMENT: tty" attach_url "$c" '.tty = true | .stderr = false'
assert_fails NOT_FOUND cri Attach '{"container_id": "nosuchcontainer", "stdout": true}'
url=$(exec_url . true)
assert_matches "$url" '^http://127\.0\.0\.1:[0-9]+/exec/[A-Za-z0-9_-]{43}$'
assert_eq "$(curl -s -o /dev/null -w '%{http_code}' "$url")" 400 "no upgrade"
assert_eq "$(curl -s -o /dev/null -w '%{http_code}' "${url%/exec*}/else")" 404 "another path"
streams 0 "" "" spdy command "$url"
streams 98 "" "refused: HTTP/1.1 404 Not Found there is no such stream, or its URL was used already, or it is older than a minute" spdy command "$url"

for by in spdy websocket; do
  echo "$SECONDS s: exec: both outputs, exit code, half-closed stdin, terminal with its size"
  streams 7 o e "$by" command "$(exec_url . sh -c 'echo o; echo e >&2; exit 7')"
  streams 0 "3" "" "$by" command "$(exec_url '.stdin = true' wc -l)" --stdin 'a\nb\nc\n'
  streams 137 "" "" "$by" command "$(exec_url . sh -c 'kill -9 $$')"
  gives 3 stream "$by" command "$(exec_url '.tty = true | .stderr = false | .stdin = true' sh -c 'tty; read x; stty size; echo "$TERM $x"; exit 3')" \
    --tty 132x43 --until /dev/pts --keep --then-stdin 'typed\n' >"$CASE_DIR/out"
  assert_contains "$(cat "$CASE_DIR/out")" "43 132" "size of the terminal"
  assert_contains "$(cat "$CASE_DIR/out")" "xterm typed"
  gives 99 stream "$by" command "$(exec_url . no-such-program)" 2>"$CASE_DIR/err"
  assert_contains "$(cat "$CASE_DIR/err")" "no-such-program"
  # Much of it, and a grandchild that keeps the pipes. slipwayd reads it once, from the process itself: the monitor has handed over its ends.
  mapfile -t monitor <"/sys/fs/cgroup/slipway-monitors/$pod/cgroup.procs"
  by_slipwayd=$(read_by "$SLIPWAYD_PID") by_monitor=$(read_by "${monitor[@]}")
  assert_eq "$(stream "$by" command "$(exec_url . sh -c 'seq 1000001 1375000; sleep 1001 & exit 0')" | wc -c)" 3000000
  assert_le 3000000 "$(($(read_by "$SLIPWAYD_PID") - by_slipwayd))" "what slipwayd read at least"
  assert_le "$(($(read_by "$SLIPWAYD_PID") - by_slipwayd))" 4000000 "what slipwayd read at most"
  assert_le "$(($(read_by "${monitor[@]}") - by_monitor))" 1000000 "what the monitor read"

  echo "$SECONDS s: the client goes: the process goes, and what it started"
  stream "$by" command "$(exec_url '.stdin = true' sh -c 'sleep 1002 & setsid sleep 1004 & echo up; sleep 1003')" --keep --until up --leave >/dev/null
  wait_for 10 "end of an exec without a client" ended 'sleep 100[234]'

  echo "$SECONDS s: port-forward: two connections at once, a reset of one, a port that nobody listens on"
  forward() { cri PortForward "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .url; }
  assert_eq "$(stream "$by" forward "$(forward)" 8080 first RESET second)" "$(printf 'first\n\nsecond')" "port-forward by $by"
  assert_contains "$(stream "$by" forward "$(forward)" 8081 x)" "error: " "a closed port"

  echo "$SECONDS s: attach: input and output of the container itself"
  stream "$by" command "$(attach_url "$c")" --stdin "by $by\\n" --keep --until "got by $by" --leave >"$CASE_DIR/out"
  assert_contains "$(cat "$CASE_DIR/out")" "got by $by"
done

echo "$SECONDS s: one stream's reset leaves the others"
gives 5 stream spdy command "$(exec_url . sh -c 'echo up; sleep 1; echo lost; echo kept >&2; exit 5')" --until up --reset stdout >"$CASE_DIR/out" 2>"$CASE_DIR/err"
assert_eq "$(cat "$CASE_DIR/out")|$(cat "$CASE_DIR/err")" "up|kept" "a reset of stdout"

echo "$SECONDS s: the container was never held up, still reads, and its log has it all"
assert_contains "$(log_of web main)" "got by spdy"
assert_contains "$(log_of web main)" "got by websocket"
assert_lacks "$(log_of web main)" end

echo "$SECONDS s: stdin_once: the client's end is stdin's end; the attached see the container's end"
once=$(started web "$pod" once "$busybox" '.stdin = true | .stdin_once = true' sh -c 'cat; echo end of input; exit 4')
assert_eq "$(stream spdy command "$(attach_url "$once")" --stdin 'all\n')" "$(printf 'all\nend of input')"
wait_for 10 "end of the container" exited "$once"
assert_eq "$(status "$once" exit_code)" 4

echo "$SECONDS s: an attached client that reads nothing holds up nobody"
flood=$(started web "$pod" flood "$busybox" . sh -c 'sleep 3; head -c 6000000 /dev/zero | tr "\0" "x"; echo; exit 6')
url=$(attach_url "$flood" '.stdin = false')
"$LIB_DIR/stream_client.py" spdy command "$url" >/dev/null &
slow=$!
sleep 0.5
kill -STOP "$slow"
wait_for 60 "end of the flood" exited "$flood"
kill -CONT "$slow"
kill "$slow" 2>/dev/null || true
wait "$slow" 2>/dev/null || true
assert_eq "$(log_of web flood | tr -d '\n' | wc -c)" 6000000 "the log of a flood"

stop_pod "$pod"
remove_pod "$pod"
