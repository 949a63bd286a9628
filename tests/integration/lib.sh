# shellcheck shell=bash
# What integration cases have in common; a case begins with:  . "$(dirname "$0")/../lib.sh"
#
# Given: CASE_NAME, CASE_DIR (a folder of its own on a real file system, removed afterwards), programs in PATH.
# Every case ends as it found the machine: what it starts through here is stopped at its exit, and guest/probe looks.
set -euo pipefail
shopt -s inherit_errexit

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
GUEST=$LIB_DIR/../vm/guest
: "${CASE_NAME:=$(basename "$0" .sh)}" "${CASE_DIR:=$(mktemp -d "/var/tmp/$CASE_NAME.XXXXXX")}"
REGISTRY=127.0.0.1:5000
export SLIPWAY_IMAGES=${SLIPWAY_IMAGES:-/images}
SOCKET=$CASE_DIR/slipway.sock
CNI_CONF=$CASE_DIR/net.d
CNI_BIN=/usr/lib/cni
SLIPWAYD_PID=
export SLIPWAY_ENDPOINT=unix://$SOCKET
AT_EXIT=()

# jq 1.6 reads its library at each start, in more than half a second under emulation; gojq starts in a tenth of that.
jq() { gojq "$@"; }
export -f jq

# --- ends -----------------------------------------------------------------------------------------------------------

fail() {
  printf 'FAIL %s:%s: %s\n' "${BASH_SOURCE[-1]}" "${BASH_LINENO[-2]}" "$*" >&2
  exit 1
}

# The reason is the last line that run-cases reads; the case must be on tests/vm/allowed-skips.
skip() {
  printf 'skip: %s\n' "$*"
  exit 77
}

# at_exit COMMAND…: run at the case's end, last one first, whatever happened.
at_exit() { AT_EXIT+=("${*@Q}"); }

run_at_exit() {
  local status=$? index
  [[ $BASHPID == "$$" ]] || exit "$status" # a subshell in the background that is ended is not the case's end
  set +e
  for ((index = ${#AT_EXIT[@]} - 1; index >= 0; index--)); do eval "${AT_EXIT[index]}"; done
  if [[ $status -ne 0 && $status -ne 77 && -s $CASE_DIR/slipwayd.log ]]; then
    echo "--- the end of slipwayd's log"
    tail -n 60 "$CASE_DIR/slipwayd.log"
  fi
  exit "$status"
}
trap run_at_exit EXIT
trap 'printf "FAIL %s:%s: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR

# --- assertions -----------------------------------------------------------------------------------------------------

# assert_eq ACTUAL EXPECTED [WHAT]
assert_eq() { [[ $1 == "$2" ]] || fail "${3:-value}: got '$1', expected '$2'"; }

# assert_contains TEXT PART [WHAT]
assert_contains() { [[ $1 == *"$2"* ]] || fail "${3:-text}: no '$2' in '$1'"; }

# when_size ROWS COLS: what to type into a shell so that it tells its terminal's size once it is this; a new one takes a moment to get through, and
# most engines set the first one once the shell runs. The terminal's echo of it is not taken for the answer.
when_size() { printf 'until [ "$(stty size)" = "%s"" %s" ]; do :; done; stty size' "$1" "$2"; }

# gives STATUS COMMAND…: the command ends with it; its output, both streams and without a terminal's \r, is in $out.
gives() {
  local want=$1 status=0
  shift
  "$@" >"$CASE_DIR/out" 2>&1 || status=$?
  # shellcheck disable=SC2034  # the case reads it
  out=$(tr -d '\r' <"$CASE_DIR/out")
  assert_eq "$status" "$want" "status of $* ($out)"
}

# assert_lacks TEXT PART [WHAT]
assert_lacks() { [[ $1 != *"$2"* ]] || fail "${3:-text}: '$2' in '$1'"; }

# assert_matches TEXT REGEX [WHAT]
assert_matches() { [[ $1 =~ $2 ]] || fail "${3:-text}: '$1' does not match '$2'"; }

# assert_le NUMBER LIMIT [WHAT]: whole or decimal numbers.
assert_le() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }' || fail "${3:-number}: $1 is more than $2"; }

# assert_fails PART COMMAND…: the command ends with a status and says PART.
assert_fails() {
  local part=$1 said
  shift
  if said=$("$@" 2>&1); then fail "'$*' succeeded: $said"; fi
  [[ $said == *"$part"* ]] || fail "'$*' failed without saying '$part': $said"
}

# wait_for SECONDS WHAT COMMAND…: asks again and again until the command succeeds.
wait_for() {
  local limit=$1 what=$2 deadline
  deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [[ ${EPOCHREALTIME/./} -lt $deadline ]] || fail "no $what within $limit s"
    sleep 0.05
  done
}

gone() { ! [[ -e /proc/$1 ]] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# --- the world around slipwayd --------------------------------------------------------------------------------------

start_registry() {
  at_exit "$GUEST/registry" stop "${@:-http}"
  "$GUEST/registry" start "${@:-http}"
}

# image NAME: the reference of an image of tests/images.
image() { echo "$REGISTRY/slipway/$1:latest"; }

# cni_network [SUBNET]: bridge, host-local and portmap, as nodes have them. Bridges are named slip… (allowed-residue).
cni_network() {
  local subnet=${1:-10.88.0.0/24}
  mkdir -p "$CNI_CONF"
  cat >"$CNI_CONF/10-case.conflist" <<END
{"cniVersion": "1.0.0", "name": "case", "plugins": [
  {"type": "bridge", "bridge": "slipcase0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$subnet"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
  at_exit remove_bridge
}

remove_bridge() {
  ip link delete slipcase0 2>/dev/null || true
  rm -rf /var/lib/cni/networks/case
}

# --- slipwayd -------------------------------------------------------------------------------------------------------

# start_slipwayd [FLAG…]: on $SOCKET with roots in CASE_DIR; back when it answers. SLIPWAYD_PID is its process.
start_slipwayd() {
  [[ -e $CNI_CONF ]] || mkdir -p "$CNI_CONF"
  slipwayd --listen "unix://$SOCKET" --root "$CASE_DIR/root" --state "$CASE_DIR/state" \
    --cni-conf-dir "$CNI_CONF" --cni-bin-dir "$CNI_BIN" "$@" 2>>"$CASE_DIR/slipwayd.log" &
  SLIPWAYD_PID=$!
  at_exit stop_slipwayd
  wait_for 30 "answer of slipwayd" slipwayd_answers
}

slipwayd_answers() {
  kill -0 "$SLIPWAYD_PID" || fail "slipwayd ended: $(tail -n 5 "$CASE_DIR/slipwayd.log")"
  slipctl version
}

# stop_slipwayd [SIGNAL]: ends it (TERM) and waits; pods live on.
stop_slipwayd() {
  [[ -n $SLIPWAYD_PID ]] || return 0
  kill -s "${1:-TERM}" "$SLIPWAYD_PID" 2>/dev/null || true
  wait "$SLIPWAYD_PID" 2>/dev/null || true
  SLIPWAYD_PID=
}

# kill_slipwayd: as a crash would.
kill_slipwayd() { stop_slipwayd KILL; }
