#!/bin/bash
# What a kubelet repeats, cancels and does at once: calls join the one in flight, stops go on, 50 pods come and go together.
# timeout: 300
# seconds: 50
. "$(dirname "$0")/../lib.sh"
start_registry
cni_network
export CASE_DIR CNI_CONF CNI_BIN
python3 "$LIB_DIR/reliability/repeat.py" --image "$(image busybox)" --pods 50
