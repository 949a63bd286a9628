#!/bin/bash
# What an exec may not do: fill slipwayd, outlive its time-out through a grandchild, outlive the slipwayd that held its streams.
# timeout: 240
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)
pod=$(run_pod web)
c=$(started web "$pod" main "$busybox" . sleep 1000)
ended() { ! pgrep -f "$1" >/dev/null; }

echo "$SECONDS s: ExecSync: 16 MiB at most, and the time-out holds while a grandchild has the pipe"
exec_sync "$c" sh -c 'head -c 20000000 /dev/zero; exit 9' >"$CASE_DIR/reply"
assert_eq "$(jq .exit_code "$CASE_DIR/reply")" 9
size=$(jq -r .stdout "$CASE_DIR/reply" | base64 -d | wc -c)
assert_le "$size" 16777216 "ExecSync's output"
assert_le 8000000 "$size" "ExecSync's output"
before=${EPOCHREALTIME/./}
assert_eq "$(exec_out "$c" sh -c 'sleep 1004 & echo started')" started "a grandchild with the pipe"
assert_fails DEADLINE_EXCEEDED cri ExecSync "{\"container_id\": \"$c\", \"cmd\": [\"sh\", \"-c\", \"sleep 1005 & yes\"], \"timeout\": 2}"
assert_le "$(((${EPOCHREALTIME/./} - before) / 1000000))" 15 "seconds of two ExecSyncs"
wait_for 10 "end of what a timed out ExecSync started" ended 'sleep 1005'

echo "$SECONDS s: another slipwayd: what nobody holds any more is ended"
url=$(cri Exec "{\"container_id\": \"$c\", \"cmd\": [\"sh\", \"-c\", \"echo up; exec sleep 1006\"], \"stdin\": true, \"stdout\": true, \"stderr\": true}" | jq -r .url)
"$LIB_DIR/stream_client.py" spdy command "$url" --keep >"$CASE_DIR/out" 2>&1 &
left=$!
wait_for 20 "an exec" grep -q up "$CASE_DIR/out"
kill_slipwayd
start_slipwayd
wait_for 10 "end of an exec of a slipwayd that is gone" ended 'sleep 1006'
status=0
wait "$left" || status=$?
assert_eq "$status" 98 "status of a client without a slipwayd"

stop_pod "$pod"
remove_pod "$pod"
