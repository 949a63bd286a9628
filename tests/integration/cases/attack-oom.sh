#!/bin/bash
# Attack 42 in both polarities: a monitor is out of the OOM killer's reach. Here, since not every host lets a score be lowered.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

python3 -B "$LIB_DIR/../attack/attacks.py" "$SLIPWAY_TESTS/.." slipwayd_attacks.Attack42
