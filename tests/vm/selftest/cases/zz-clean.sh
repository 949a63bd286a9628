#!/bin/bash
# Selftest: the last case sees nothing of what those before it left.
! pgrep -x sleep && ! ip link show left0 && ! ip netns list | grep -q left && [[ ! -e /sys/fs/cgroup/left ]] &&
  ! grep -q ' left ' /proc/self/mountinfo && ! nft list ruleset | grep -q 10.99
