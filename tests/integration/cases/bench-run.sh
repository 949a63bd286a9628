#!/bin/bash
# timeout: 600
# A container's start by slipway is no slower than by Debian's crun, with the same confinement seen from inside.
. "$(dirname "$0")/../lib.sh"

SLIPWAY_BENCH_OUT=$CASE_DIR "$LIB_DIR/../bench/run" --quick --assert runner
