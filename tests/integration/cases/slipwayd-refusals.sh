#!/bin/bash
# timeout: 900
# slipwayd's refusals (tests/root) on a kernel with cgroup v2 alone: requests, plugins, images and registries that cannot be, a full disk; signatures, CDI.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# On a real file system: roots of images on it.
TMPDIR=$CASE_DIR python3 -B "$LIB_DIR/../root/slipwayd_test.py" "$SLIPWAY_TESTS/.."
