#!/bin/bash
# Selftest: verdict pass, with a change that is undone.
mkdir /sys/fs/cgroup/undone && rmdir /sys/fs/cgroup/undone
ip link add slipother type bridge && ip link del slipother
