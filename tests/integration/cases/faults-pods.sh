#!/bin/bash
# Every step of making and removing pods fails once or kills slipwayd once: nothing is left, nobody else is hurt.
# The whole campaign is `./dev soak faults`; here a part of its cycles, another part each day.
# timeout: 300
# seconds: 45
. "$(dirname "$0")/../reliability/faults.sh"
fault_campaign RunPodSandbox,StopPodSandbox,RemovePodSandbox,Recover 16
