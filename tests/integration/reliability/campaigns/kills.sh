#!/bin/bash
# slipwayd is killed at random moments while pods come and go; afterwards nothing may be left.
# timeout: 7000
. "$(dirname "$0")/../../lib.sh"
start_registry
cni_network
export CASE_DIR CNI_CONF CNI_BIN
python3 "$LIB_DIR/reliability/kills.py" --image "$(image busybox)" --pulled "$(image layers)" --kills "${SLIPWAY_SOAK_KILLS:-300}"
