#!/bin/bash
# timeout: 900
# seconds: 150
# A pod starts in at most half of containerd's time with the same CNI plugins, and costs one process, one thread, little memory; exec probes take at most a quarter of its processor time.
. "$(dirname "$0")/../lib.sh"

trap - EXIT ERR # the bench brings its own daemons, and their ends
exec "$LIB_DIR/../bench/cri" --rounds 2 --crowd 3 --pods 5 --probes 5 --assert
