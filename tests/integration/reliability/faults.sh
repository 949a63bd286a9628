# shellcheck shell=bash
# The fault campaign with its registry and network: fault_campaign OPERATIONS [EVERY [IMAGE]]; IMAGE is what PullImage pulls.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

fault_campaign() {
  start_registry
  cni_network
  export CASE_DIR CNI_CONF CNI_BIN
  # The day chooses which part: all of them are seen in as many days as there are parts.
  python3 "$LIB_DIR/reliability/faults.py" --image "$(image busybox)" --pulled "$(image "${3:-layers}")" --operations "$1" \
    --every "${2:-1}" --offset "${SLIPWAY_FAULT_OFFSET:-$(($(date +%s) / 86400))}"
}
