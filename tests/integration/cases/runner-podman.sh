#!/bin/bash
# timeout: 400
# seconds: 65
# podman 4.3 with slipway as its runtime and cgroups by itself: foreground, terminals, settings, a container's life, pods, limits.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=SCRIPTDIR/../podman.sh
. "$LIB_DIR/podman.sh"

podman_setup cgroupfs
podman_loads
podman_foreground
podman_settings
podman_namespaces
podman_life
podman_pod
podman_without_cgroups
podman_limits
