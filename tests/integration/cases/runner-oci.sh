#!/bin/bash
# timeout: 600
# seconds: 70
# The runner's own tests (tests/root) on a kernel with cgroup v2 alone.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

# On a real file system: 6.1 cannot id-map a tmpfs.
TMPDIR=$CASE_DIR python3 -B "$LIB_DIR/../root/runner_test.py" "$(command -v slipway)"
"$SLIPWAY_TESTS/unit_runtime_root"
