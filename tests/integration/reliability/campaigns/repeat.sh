#!/bin/bash
# Fifty pods at once, again and again.
# timeout: 1700
for _ in 1 2 3 4 5; do "$(dirname "$0")/../../cases/cri-repeat.sh"; done
