#!/bin/bash
# A kubelet in standalone mode: whole pods with init containers, sidecars and probes, crash loops, logs, hooks; slipwayd is killed in the middle of each.
# timeout: 480
# seconds: 50
. "$(dirname "$0")/../lib.sh"
start_registry
cni_network
export CASE_DIR CNI_CONF CNI_BIN
python3 -B "$LIB_DIR/kubelet" "$(image busybox)" a_whole_pod a_crash_loop a_rotated_log a_probe_cut_off
