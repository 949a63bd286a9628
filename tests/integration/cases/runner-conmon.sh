#!/bin/bash
# timeout: 120
# Debian's conmon drives slipway: create, start, attach, exec and delete, with a terminal and without; exit files, logs, what it tells its caller.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

bundle=$CASE_DIR/bundle
mkdir -p "$bundle/rootfs"/{bin,proc,sys,dev,tmp} "$CASE_DIR"/{exits,sockets,kept}
cp /bin/busybox "$bundle/rootfs/bin/busybox"
for applet in sh sleep cat tty stty echo; do ln "$bundle/rootfs/bin/busybox" "$bundle/rootfs/bin/$applet"; done
export XDG_RUNTIME_DIR=$CASE_DIR
s() { slipway "$@"; }
at_exit eval 's delete --force one; s delete --force two; s delete --force three' '2>/dev/null'
at_exit eval 'rmdir /sys/fs/cgroup/slipway' '2>/dev/null'

# config TERMINAL SCRIPT
config() {
  rm -f "$bundle/config.json"
  s spec -b "$bundle"
  jq --arg script "$2" ".process.terminal = $1 | .process.args = [\"sh\", \"-c\", \$script]" "$bundle/config.json" >"$CASE_DIR/new"
  mv "$CASE_DIR/new" "$bundle/config.json"
}

# tell NAME FLAG…: what conmon says to whoever started it. Its own cgroup is this case's, so its wish for another oom score may fail.
tell() {
  local name=$1
  shift
  python3 "$LIB_DIR/conmon_client.py" tell 1 conmon --api-version 1 -r "$(command -v slipway)" -n "$name" -c "$name" -u "$name-uuid" -b "$bundle" \
    -p "$CASE_DIR/$name.pid" -P "$CASE_DIR/$name.conmon" -l "k8s-file:$CASE_DIR/$name.log" --exit-dir "$CASE_DIR/exits" --full-attach \
    --persist-dir "$CASE_DIR/kept" --runtime-arg "--log=$CASE_DIR/$name.runtime" --runtime-arg --log-format=json "$@"
}
attach() { python3 "$LIB_DIR/conmon_client.py" attach "$bundle/attach" "$1"; }
status_of() { s state "$1" | jq -r .status; }

# names_terminal LOG: conmon may read a terminal between a line and its end, which makes a partial entry (P) of it.
names_terminal() { grep -qE 'stdout [FP] /dev/pts/0' "$1" || fail "no terminal in $(cat "$1")"; }

# exits NAME STATUS
exits() {
  wait_for 10 "exit file of $1" test -e "$CASE_DIR/exits/$1"
  assert_eq "$(cat "$CASE_DIR/exits/$1")" "$2" "exit file of $1"
  wait_for 10 "end of conmon" gone "$(cat "$CASE_DIR/$1.conmon")"
}

# Pipes.
config false 'echo begun; echo wrong >&2; read x; echo "read $x"; exit 5'
assert_eq "$(tell one --stdin | jq .data)" "$(cat "$CASE_DIR/one.pid")" "the number that conmon tells"
assert_eq "$(s state one | jq -r '"\(.status) \(.pid)"')" "created $(cat "$CASE_DIR/one.pid")"
[[ ! -s $CASE_DIR/one.log ]] || fail "a container that waits has said: $(cat "$CASE_DIR/one.log")"
s start one
wait_for 10 "both streams in the log" eval 'grep -q "stdout F begun" "$CASE_DIR/one.log" && grep -q "stderr F wrong" "$CASE_DIR/one.log"'
assert_eq "$(attach 'hello\n')" $'stdout\nread hello' "attached"
exits one 5
assert_contains "$(cat "$CASE_DIR/one.log")" "stdout F read hello"
assert_eq "$(status_of one)" stopped
s delete one

# A terminal, its size set before the program begins.
config true 'tty; stty size; read x; echo "read $x"; exit 6'
tell two --terminal --stdin >/dev/null
printf '1 33 77\n' >"$bundle/ctl"
wait_for 10 "size of the terminal" eval '[[ $(stty size <"/proc/$(cat "$CASE_DIR/two.pid")/fd/0") == "33 77" ]]'
s start two
wait_for 10 "a line in the log" grep -q "33 77" "$CASE_DIR/two.log"
assert_contains "$(attach 'hello\n')" "read hello"
exits two 6
names_terminal "$CASE_DIR/two.log"
s delete two

# exec: its exit status is told to the caller.
config false 'exec sleep 1000'
tell three >/dev/null
s start three
# process TERMINAL SCRIPT
process() {
  jq -n --arg script "$2" "{terminal: $1, args: [\"sh\", \"-c\", \$script], cwd: \"/\", env: [\"PATH=/bin\", \"A=b\"], user: {uid: 7, gid: 8}}" \
    >"$CASE_DIR/process.json"
}
# exec_in NAME FLAG…: conmon's exec session in `three`.
exec_in() {
  local name=$1
  shift
  mkdir "$CASE_DIR/$name"
  python3 "$LIB_DIR/conmon_client.py" tell 2 conmon --api-version 1 -r "$(command -v slipway)" -n three -c three -u "$name" -b "$CASE_DIR/$name" \
    -p "$CASE_DIR/$name.pid" -l "k8s-file:$CASE_DIR/$name.log" --exit-dir "$CASE_DIR/$name" --full-attach --exec \
    --exec-process-spec "$CASE_DIR/process.json" "$@"
}
process false 'echo "out $A"; echo err >&2; exit 9'
assert_eq "$(exec_in plain | jq -s -c '[(.[0].data > 0), .[1].data]')" '[true,9]' "what exec tells"
assert_contains "$(cat "$CASE_DIR/plain.log")" "stdout F out b"
assert_contains "$(cat "$CASE_DIR/plain.log")" "stderr F err"
process true 'tty; exit 10'
assert_eq "$(exec_in terminal --terminal | jq -s -c '[(.[0].data > 0), .[1].data]')" '[true,10]' "what exec with a terminal tells"
names_terminal "$CASE_DIR/terminal.log"
process false 'exec no-such-program'
jq '.args = ["no-such-program"]' "$CASE_DIR/process.json" >"$CASE_DIR/new" && mv "$CASE_DIR/new" "$CASE_DIR/process.json"
assert_contains "$(exec_in absent)" "executable file not found in \$PATH"
s kill three KILL
exits three 137
s delete three

# What cannot be created: the reason comes by conmon, and as runc's line in the log of the runtime.
config false true
jq '.process.args = ["no-such-program"]' "$bundle/config.json" >"$CASE_DIR/new" && mv "$CASE_DIR/new" "$bundle/config.json"
assert_contains "$(tell four | jq -r '"\(.data) \(.message)"')" "-1 slipway: exec 'no-such-program': executable file not found in \$PATH"
assert_eq "$(jq -r '"\(.level) \(.msg)"' "$CASE_DIR/four.runtime")" "error exec 'no-such-program': executable file not found in \$PATH"
[[ -z $(s list -q) ]] || fail "slipway still has $(s list -q)"
