#!/bin/bash
# timeout: 900
# slipwayd on a kernel with cgroup v2 alone (tests/root): refusals of devices and annotations, CDI, image volumes, the monitor's file, runtime handlers with
# Debian's crun and runc. Requests, images and signatures that cannot be need no such kernel: root_slipwayd has those.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# On a real file system: roots of images on it.
TMPDIR=$CASE_DIR python3 -B "$LIB_DIR/../root/slipwayd_test.py" "$SLIPWAY_TESTS/.." slipwayd_annotations slipwayd_cdi slipwayd_image_volumes slipwayd_monitor \
  slipwayd_runtimes
