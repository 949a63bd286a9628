#!/bin/bash
# timeout: 400
# seconds: 60
# slipway checkpoint and restore with Debian's criu.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

criu check
TMPDIR=$CASE_DIR python3 -B "$LIB_DIR/checkpoint_test.py" "$(command -v slipway)"
