#!/bin/bash
# Every point of every operation, every fault.
# timeout: 7000
. "$(dirname "$0")/../faults.sh"
SLIPWAY_FAULT_OFFSET=0 fault_campaign "" "${SLIPWAY_SOAK_EVERY:-1}"
