#!/bin/bash
# timeout: 900
# A pod starts in at most half of containerd's time with the same CNI plugins, and costs one process, one thread, little memory.
. "$(dirname "$0")/../lib.sh"

trap - EXIT ERR # the bench brings its own daemons, and their ends
exec "$LIB_DIR/../bench/cri" --rounds 3 --pods 5 --assert
