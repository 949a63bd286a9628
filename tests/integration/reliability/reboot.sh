#!/bin/bash
# What happens before and after the reset of tests/vm/reboot: reboot.sh before|after. /dev/vde is the disk that stays.
CASE_NAME=reboot CASE_DIR=/persistent/case
mkdir -p /persistent
mount /dev/vde /persistent
mkdir -p "$CASE_DIR" /persistent/cni /var/lib/cni
mount --bind /persistent/cni /var/lib/cni # host-local's addresses survive, as they do on a node
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
RESULTS=/results

before() {
  start_registry
  cni_network
  start_slipwayd
  busybox=$(pull busybox)
  pod=$(run_pod steady)
  writer=$(started steady "$pod" writer "$busybox" . sh -c 'i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done')
  created=$(create steady "$pod" created "$busybox" . sleep 1000)
  printf '%s\n' "$busybox" "$pod" "$writer" "$created" >/persistent/ids
  sync # what a node had some time ago is on its disk; the rest of this is not
  # Work in full swing: pods that come and go, a pull.
  for n in 1 2 3 4; do
    (while :; do
      if p=$(run_pod "busy$n"); then remove_pod "$p" || true; fi
    done) >/dev/null 2>&1 &
  done
  (while :; do
    pull layers >/dev/null
    cri RemoveImage "$(jq -n --arg i "$(image layers)" '{image: {image: $i}}')" >/dev/null
  done) >/dev/null 2>&1 &
  sleep 5
  echo "reset now" >"$RESULTS/progress"
  sync "$RESULTS/progress"
  echo b >/proc/sysrq-trigger
  sleep 100
}

addresses() { find /var/lib/cni/networks/case -name '10.88.*' 2>/dev/null | wc -l; }

after() {
  { read -r busybox && read -r pod && read -r writer && read -r created; } </persistent/ids
  assert_le 1 "$(addresses)" "addresses that the dead host held"
  start_registry
  cni_network
  start_slipwayd
  assert_eq "$(cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.state)" SANDBOX_NOTREADY
  for id in "$writer" "$created"; do
    assert_eq "$(status "$id" state)" CONTAINER_EXITED
    assert_eq "$(status "$id" exit_code)" 255
    assert_eq "$(status "$id" reason)" Unknown
  done
  wait_for 60 "addresses given back" eval '[[ $(addresses) == 0 ]]'

  # Images are whole or not there: whatever is listed can be run, the other can be pulled.
  assert_eq "$(cri ImageStatus "$(jq -n --arg i "$(image busybox)" '{image: {image: $i}}')" | jq -r .image.id)" "$busybox"
  pull layers >/dev/null
  for p in $(cri ListPodSandbox | jq -r '.items[].id'); do
    stop_pod "$p"
    remove_pod "$p"
  done
  assert_eq "$(cri ListContainers | jq '.containers | length')" 0
  pod=$(run_pod again)
  run_to_end again "$pod" one "$busybox" . sh -c 'echo alive' >/dev/null
  assert_eq "$(log_of again one)" alive
  run_to_end again "$pod" two "$(image layers)" . sh -c 'ls / >/dev/null && echo whole' >/dev/null
  assert_eq "$(log_of again two)" whole
  remove_pod "$pod"
  assert_eq "$(addresses)" 0 "addresses"
  assert_eq "$(find "$CASE_DIR/state/pods" "$CASE_DIR/root/images/containers" "$CASE_DIR/root/cni" -mindepth 1 | head -n 5)" "" "files of pods and containers"
  assert_eq "$(find "$CASE_DIR/root/images/layers" -maxdepth 1 -name '*.tmp*')" "" "half layers"
}

"$1"
