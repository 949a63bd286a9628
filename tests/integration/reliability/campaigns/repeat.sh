#!/bin/bash
# Fifty pods at once, again and again.
# timeout: 1700
for ((n = 0; n < ${SLIPWAY_SOAK_REPEATS:-5}; n++)); do
  rm -rf "$CASE_DIR" && mkdir "$CASE_DIR" # each begins with empty logs
  "$(dirname "$0")/../../cases/cri-repeat.sh"
done
