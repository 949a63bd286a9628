#!/bin/bash
# Every step of a container's life fails once or kills slipwayd once: nothing is left, its pod and the others go on.
# The whole campaign is `./dev soak faults`; here a part of its cycles, another part each day.
# timeout: 300
. "$(dirname "$0")/../reliability/faults.sh"
fault_campaign CreateContainer,StartContainer,ExecSync,StopContainer,RemoveContainer,PullImage,RemoveImage 16 users
