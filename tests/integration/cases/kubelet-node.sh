#!/bin/bash
# A kubelet in standalone mode: pods with a user namespace and resizes in place; slipwayd is killed in the middle of each.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
start_registry
cni_network
export CASE_DIR CNI_CONF CNI_BIN
python3 -B "$LIB_DIR/kubelet" "$(image busybox)" a_user_namespace a_resize
