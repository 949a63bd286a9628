#!/bin/bash
# timeout: 900
# slipwayd on a kernel with cgroup v2 alone (tests/root): refusals of devices and annotations, CDI, the monitor's file. The rest of tests/root needs no such
# kernel (root_slipwayd has it), or has a case of its own (cri-runtimes, cri-image-volumes).
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# On a real file system: roots of images on it.
TMPDIR=$CASE_DIR python3 -B "$LIB_DIR/../root/slipwayd_test.py" "$SLIPWAY_TESTS/.." slipwayd_annotations slipwayd_cdi slipwayd_monitor
