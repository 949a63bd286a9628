#!/bin/bash
# slipctl's exec -i and -t, attach and port-forward as a person uses them: pipes, files, a terminal that is as before afterwards.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)
pod=$(run_pod web)
started web "$pod" main "$busybox" '.stdin = true' sh -c 'nc -ll -p 8080 -e cat & while read line; do echo "got $line"; done; exit 6' >/dev/null
started web "$pod" term "$busybox" '.stdin = true | .tty = true' sh -c 'while read line; do echo "term $line"; done' >/dev/null
at_terminal() { "$LIB_DIR/pty_client.py" "$@"; }

echo "$SECONDS s: exec -i: a pipe, a file, much of both ways, the exit code, what cannot be run"
assert_eq "$(printf 'a\nb\n' | slipctl exec -i main wc -l)" 2
head -c 2000000 /dev/urandom >"$CASE_DIR/file"
assert_eq "$(slipctl exec -i main cat <"$CASE_DIR/file" | sha256sum)" "$(sha256sum <"$CASE_DIR/file")" "a file through cat"
gives 7 slipctl exec -i main sh -c 'echo out; echo err >&2; exit 7' </dev/null
assert_eq "$(sort <<<"$out")" "$(printf 'err\nout')"
gives 127 slipctl exec -i main no-such-program </dev/null
assert_contains "$out" "no-such-program"
gives 125 slipctl exec -i no-such-container true </dev/null
assert_fails "--timeout goes with neither" slipctl exec -i --timeout 3 main true

echo "$SECONDS s: exec -it: size, a new size, typing, the exit code"
gives 3 at_terminal 33x99 raw=yes 'expect=/ #' 'send=stty size\r' 'expect=33 99' 'resize=40x120' "send=$(when_size 40 120); tty\\r" 'expect=40 120' 'expect=/dev/pts' \
  'send=echo ca""t runs; cat\r' 'expect=cat runs' 'send=typed\r' 'expect=typed' 'expect=typed' 'send=\x03' 'expect=#' 'send=exit 3\r' -- slipctl exec -it main sh
echo "$SECONDS s: a signal to slipctl: the command ends, the terminal is as before"
gives 143 at_terminal 24x80 'expect=up' raw=yes 'signal=TERM' -- slipctl exec -it main sh -c 'echo up; exec sleep 1007'
ended() { ! pgrep -f "$1" >/dev/null; }
wait_for 10 "end of the command" ended 'sleep 1007'

echo "$SECONDS s: attach: input and output of the container itself; ^C leaves, where there is no terminal"
gives 130 at_terminal 24x80 'send=hello\r' 'expect=got hello' raw=no 'send=\x03' -- slipctl attach main
gives 130 at_terminal 24x80 raw=yes 'send=hello\r' 'expect=term hello' 'signal=INT' -- slipctl attach term
gives 124 timeout 2 slipctl attach --no-stdin main </dev/null
assert_eq "$out" ""
started web "$pod" once "$busybox" '.stdin = true | .stdin_once = true' sh -c 'cat; exit 4' >/dev/null
gives 4 slipctl attach once <<<"all of it"
assert_eq "$out" "all of it"

echo "$SECONDS s: port-forward: a free port, several at once, a closed port, ^C"
slipctl port-forward web :8080 :8081 >"$CASE_DIR/ports" 2>"$CASE_DIR/refused" &
forward=$!
listening() { [[ $(wc -l <"$CASE_DIR/ports") == 2 ]]; }
wait_for 10 "listener" listening
port=$(sed -n 's/127.0.0.1:\([0-9]*\) leads to port 8080 of the pod/\1/p' "$CASE_DIR/ports")
for i in 1 2 3; do
  echo "through $i" | nc -N 127.0.0.1 "$port" >"$CASE_DIR/through.$i" &
  clients[i]=$!
done
wait "${clients[@]}"
assert_eq "$(cat "$CASE_DIR"/through.?)" "$(printf 'through 1\nthrough 2\nthrough 3')"
assert_eq "$(nc -N 127.0.0.1 "$port" <"$CASE_DIR/file" | sha256sum)" "$(sha256sum <"$CASE_DIR/file")" "a file through the pod"
closed=$(sed -n 's/127.0.0.1:\([0-9]*\) leads to port 8081 of the pod/\1/p' "$CASE_DIR/ports")
assert_eq "$(echo x | nc -N 127.0.0.1 "$closed")" "" "a closed port"
refused() { grep -q '^slipctl: port 8081: ' "$CASE_DIR/refused"; }
wait_for 10 "word about the closed port" refused
kill -INT "$forward"
status=0
wait "$forward" || status=$?
assert_eq "$status" 0 "status of port-forward after ^C"
assert_fails "'x' is no port" slipctl port-forward web x

echo "$SECONDS s: slipwayd's end"
gives 125 at_terminal 24x80 'expect=up' raw=yes "run=kill -9 $SLIPWAYD_PID" -- slipctl exec -it term sh -c 'echo up; exec sleep 1009'
assert_contains "$out" "broke off"
stop_slipwayd
start_slipwayd
stop_pod "$pod"
remove_pod "$pod"
