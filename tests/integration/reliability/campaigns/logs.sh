#!/bin/bash
# Many kills under a container that writes.
# timeout: 1700
export SLIPWAY_KILLS=${SLIPWAY_SOAK_KILLS:-100}
exec "$(dirname "$0")/../../cases/log-disks.sh"
