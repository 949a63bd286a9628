# shellcheck shell=bash
# The initramfs: busybox, the modules that reach the disks, and guest/initramfs-init.

# In the order in which they must be loaded.
INITRAMFS_MODULES=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
  crc32c_generic crc16 mbcache jbd2 ext4)

# initramfs KERNEL_DIR BUSYBOX: prints the path of the cached initramfs, one for each kernel.
initramfs() {
  local image kernel
  kernel=$(basename "$1")
  image=$CACHE_DIR/initramfs-$kernel-$(key_of "$VM_DIR/lib/initramfs.sh" "$VM_DIR/guest/initramfs-init").cpio.gz
  [[ -e $image ]] || make_initramfs "$image" "$1" "$2" >&2
  printf '%s\n' "$image"
}

make_initramfs() {
  local image=$1 kernel=$2 busybox=$3 tree=$1.tree module file
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,dev,proc,sys,root,modules}
  install -m 755 "$busybox" "$tree/bin/busybox"
  install -m 755 "$VM_DIR/guest/initramfs-init" "$tree/init"
  for module in "${INITRAMFS_MODULES[@]}"; do
    file=$(find "$kernel/modules" -name "${module//_/[_-]}.ko*" | head -n 1)
    [[ -n $file ]] || continue # built in
    cp "$file" "$tree/modules/$module.ko"
    printf '%s\n' "$module" >>"$tree/modules/order"
  done
  (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$image.tmp"
  rm -rf "$tree"
  mv "$image.tmp" "$image"
  drop_old "initramfs-$(basename "${kernel%-*}")" "$image"
}
