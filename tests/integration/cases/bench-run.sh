#!/bin/bash
# timeout: 600
# seconds: 45
# A container's start, life and exec by slipway take half the time of Debian's crun at most, with the same confinement seen from inside.
. "$(dirname "$0")/../lib.sh"

SLIPWAY_BENCH_OUT=$CASE_DIR "$LIB_DIR/../bench/run" --quick --assert runner
