#!/bin/bash
# Pods under real monitors on a real cgroup v2: everything of the host's run, and what the memory controller does.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

"$SLIPWAY_TESTS/unit_monitor_root" '[root],[memory]'
