#!/bin/bash
# A pull whose client has gone, by its deadline, its cancellation or its death, is ended: its worker dies and nothing of it is left.
# timeout: 120
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
start_slipwayd
python3 -B "$LIB_DIR/stalling_registry.py" 5998 "$REGISTRY" >"$CASE_DIR/stalling.log" 2>&1 &
stalling=$!
at_exit kill "$stalling"
wait_for 20 "the stalling registry" bash -c ': </dev/tcp/127.0.0.1/5998'

request=$(jq -n '{image: {image: "127.0.0.1:5998/slipway/debian:latest"}}')
call=("$SLIPWAY_TESTS/cri_call" "unix://$SOCKET" PullImage "$request") # the program itself, which a signal then hits
layers=$CASE_DIR/root/images/layers
workers() { grep -lsE '^Name:.slipway-image' /proc/[0-9]*/status | wc -l; }
half_a_layer() { compgen -G "$layers/*.tmp*" && [[ -n $(find "$layers" -path '*.tmp*/fs/*' -print -quit) ]]; }
connections() { find "/proc/$SLIPWAYD_PID/fd" -lname 'socket:*' | wc -l; } # what it listens at has another name in /proc/net/unix
ended() { [[ $(workers) == 0 && -z $(ls "$layers") ]]; }

# Its deadline.
CRI_CALL_DEADLINE_MS=15000 "${call[@]}" >/dev/null 2>"$CASE_DIR/said" &
client=$!
wait_for 30 "half a layer" half_a_layer
assert_eq "$(workers)" 1 workers
status=0
wait "$client" || status=$?
[[ $status -ne 0 ]] || fail "a pull that stalls succeeded"
assert_contains "$(<"$CASE_DIR/said")" DEADLINE_EXCEEDED
wait_for 15 "end of the worker" ended

# Its death, while another client waits for the same: the other one keeps its pull, the last one takes it along.
CRI_CALL_DEADLINE_MS=100000 "${call[@]}" >/dev/null 2>&1 &
first=$!
wait_for 30 "half a layer" half_a_layer
before=$(connections)
CRI_CALL_DEADLINE_MS=100000 "${call[@]}" >/dev/null 2>&1 &
second=$!
another() { (($(connections) > before)); }
wait_for 30 "the second client" another
sleep 2 # its request comes with the connection: it has joined; a worker of its own would be seen
kill -KILL "$first"
wait "$first" 2>/dev/null || true
sleep 1
assert_eq "$(workers)" 1 "workers, with one client left"
half_a_layer >/dev/null || fail "the pull has ended with a client left"
kill -KILL "$second"
wait "$second" 2>/dev/null || true
wait_for 15 "end of the worker" ended

# The same by slipctl, interrupted.
slipctl pull 127.0.0.1:5998/slipway/debian:latest >/dev/null 2>&1 &
client=$!
wait_for 30 "half a layer" half_a_layer
kill -KILL "$client"
wait "$client" 2>/dev/null || true
wait_for 15 "end of the worker" ended
assert_eq "$(cri ListImages | jq '.images | length')" 0 images
pull busybox >/dev/null
