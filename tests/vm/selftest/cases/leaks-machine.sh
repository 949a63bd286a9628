#!/bin/bash
# Selftest: verdict fail, for a cgroup with a process, a mount, a link, a network namespace, a rule and an address file.
mkdir -p /sys/fs/cgroup/left/inner "$CASE_DIR/mounted" /var/lib/cni/networks/left
sleep 1000 &
echo $! >/sys/fs/cgroup/left/inner/cgroup.procs
mount -t tmpfs left "$CASE_DIR/mounted"
ip link add left0 type dummy
ip netns add left
iptables -t nat -A POSTROUTING -s 10.99.0.0/24 -j MASQUERADE
echo left >/var/lib/cni/networks/left/10.99.0.2
