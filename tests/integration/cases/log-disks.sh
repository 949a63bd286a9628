#!/bin/bash
# A container's numbered lines through 20 kills of slipwayd, rotations, a stalled disk and a full one: none missing untold, none twice,
# and no write of the container takes 100 ms.
# timeout: 300
# seconds: 60
. "$(dirname "$0")/../lib.sh"
start_registry
cni_network

# loop_disk NAME SIZE: a small ext4 of its own; prints its mount point.
loop_disk() {
  local file=$CASE_DIR/$1.img
  truncate -s "$2" "$file"
  mke2fs -q -t ext4 -O '^has_journal' "$file"
  mkdir -p "$CASE_DIR/$1"
  mount -o loop "$file" "$CASE_DIR/$1"
}
at_exit umount "$CASE_DIR/slow"
loop_disk slow 64M
at_exit umount "$CASE_DIR/full"
loop_disk full 8M
export CASE_DIR CNI_CONF CNI_BIN SLOW_DISK=$CASE_DIR/slow FULL_DISK=$CASE_DIR/full
python3 "$LIB_DIR/reliability/logs.py" --image "$(image busybox)" --kills "${SLIPWAY_KILLS:-20}"
