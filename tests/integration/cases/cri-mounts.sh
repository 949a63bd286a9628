#!/bin/bash
# Mounts: propagation both ways, recursive read-only, read-only roots, privileged containers.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
mkdir -p "$CNI_CONF"
start_slipwayd
busybox=$(pull busybox)
privileged='.linux.security_context |= (.privileged = true | .namespace_options.network = "NODE")'
pod=$(run_pod strong "$privileged")
tree=$CASE_DIR/tree
mkdir -p "$tree" "$CASE_DIR/private"
mount -t tmpfs tree "$tree" && mount --make-shared "$tree" && at_exit umount -R "$tree"
mkdir "$tree/below" && mount -t tmpfs below "$tree/below"
mount -t tmpfs private "$CASE_DIR/private" && mount --make-private "$CASE_DIR/private" && at_exit umount "$CASE_DIR/private"
with() { # MOUNT…: "container_path: …" objects
  local list
  list=$(printf ', {%s}' "$@")
  echo ".mounts = [${list:2}]"
}

# Bidirectional: what a CSI driver mounts in its container is mounted on the host, and in others that listen.
driver=$(started strong "$pod" driver "$busybox" "$privileged | $(with "container_path: \"/csi\", host_path: \"$tree\", propagation: \"PROPAGATION_BIDIRECTIONAL\"")" sleep 1000)
listener=$(started strong "$pod" listener "$busybox" "$(with "container_path: \"/v\", host_path: \"$tree\", propagation: \"PROPAGATION_HOST_TO_CONTAINER\"" \
  "container_path: \"/deaf\", host_path: \"$tree\"")" sleep 1000)
exec_out "$driver" sh -c 'mkdir -p /csi/volume && mount -t tmpfs csi /csi/volume && touch /csi/volume/data'
assert_eq "$(findmnt -no SOURCE "$tree/volume")" csi "the driver's mount on the host"
mkdir -p "$tree/later" && mount -t tmpfs later "$tree/later" && touch "$tree/later/file"
assert_eq "$(exec_out "$listener" sh -c 'ls /v/volume /v/later; ls /deaf/volume /deaf/later | wc -l; grep -cE " /(v|v/volume|v/later) .* master:[0-9]+ " /proc/self/mountinfo; grep -c " /deaf .* \(shared\|master\):" /proc/self/mountinfo' | tr '\n' ' ')" \
  "/v/later: file  /v/volume: data 3 3 0 " "what the listeners see"
assert_fails "not on a shared mount" create strong "$pod" bad "$busybox" "$privileged | $(with "container_path: \"/p\", host_path: \"$CASE_DIR/private\", propagation: \"PROPAGATION_BIDIRECTIONAL\"")" true
assert_fails "not on a shared or slave mount" create strong "$pod" bad "$busybox" "$(with "container_path: \"/p\", host_path: \"$CASE_DIR/private\", propagation: \"PROPAGATION_HOST_TO_CONTAINER\"")" true

# Read-only is one mount, recursive read-only is all beneath it.
run_to_end strong "$pod" readonly "$busybox" "$(with "container_path: \"/ro\", host_path: \"$tree\", readonly: true" \
  "container_path: \"/rro\", host_path: \"$tree\", readonly: true, recursive_read_only: true")" \
  sh -c 'for f in /ro/x /ro/below/x /rro/y /rro/below/y; do touch $f 2>/dev/null && echo "$f written"; done; grep -cE " /rro[^ ]* ro," /proc/self/mountinfo' >/dev/null
assert_eq "$(log_of strong readonly)" "$(printf '/ro/below/x written\n4')" "read-only mounts"
assert_fails "RROUnsupported" create strong "$pod" bad "$busybox" "$(with "container_path: \"/r\", host_path: \"$tree\", recursive_read_only: true")" true
assert_fails "No such file or directory" create strong "$pod" bad "$busybox" "$(with "container_path: \"/r\", host_path: \"$CASE_DIR/nothing\"")" true

# A read-only root: its own mounts stay writable; the pod's files of /etc are read-only with it.
run_to_end strong "$pod" root "$busybox" ".linux.security_context.readonly_rootfs = true | $(with "container_path: \"/data\", host_path: \"$CASE_DIR/private\"")" \
  sh -c 'for f in /x /etc/hosts /data/x /dev/shm/x /tmp/x; do touch $f 2>/dev/null && echo $f; done' >/dev/null
assert_eq "$(log_of strong root | tr '\n' ' ')" "/data/x /dev/shm/x " "what can be written with a read-only root"

# Privileged: every capability and device, kernel's file systems writable, nothing masked, no filter.
seen=$(exec_out "$driver" sh -c 'grep -E "^(CapEff|Seccomp):" /proc/self/status | tr -d "\t"; stat -c %F /dev/vda; head -c 1 /dev/vda | wc -c
  touch /sys/fs/cgroup/cgroup.subtree_control && mkdir /sys/fs/cgroup/own && rmdir /sys/fs/cgroup/own && echo cgroup; grep -cE " /(sys|proc)[^ ]* ro," /proc/self/mountinfo; echo 0 >/proc/sys/kernel/printk_ratelimit_burst && echo proc' 2>&1 || true)
assert_eq "$seen" "CapEff:$(grep CapBnd /proc/self/status | cut -f2)
Seccomp:0
block special file
1
cgroup
0
proc" "a privileged container"
echo 10 >/proc/sys/kernel/printk_ratelimit_burst
assert_eq "$(exec_out "$listener" sh -c 'ls /dev/vda 2>&1 | tail -1; grep -c . /proc/self/mountinfo >/dev/null; mkdir /sys/fs/cgroup/own 2>&1')" "ls: /dev/vda: No such file or directory
mkdir: can't create directory '/sys/fs/cgroup/own': Read-only file system" "one that is not privileged"
exec_out "$driver" umount /csi/volume
remove_pod "$pod"
umount "$tree/later"
