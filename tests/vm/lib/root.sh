# shellcheck shell=bash
# The guest's root disk: Debian packages only, made once and kept until the package list changes.

ROOT_SIZE=3G

# root_image: prints the path of the cached root disk, making it when it is not there.
root_image() {
  local image kernel=$1
  image=$CACHE_DIR/root-$(key_of "$VM_DIR/packages" "$VM_DIR/lib/root.sh" "$VM_DIR/lib/kernel.sh").img
  [[ -e $image ]] || make_root "$image" "$kernel" >&2
  printf '%s\n' "$image"
}

make_root() {
  local image=$1 kernel=$2 tree=$1.tree options=()
  [[ $EUID -eq 0 ]] || die "making the root disk needs root (files of many owners)"
  need_tool mmdebstrap mmdebstrap
  note "root disk: Debian packages of tests/vm/packages (some minutes, once)"
  rm -rf --one-file-system "$tree"
  mapfile -t options < <(apt_options)
  apt_sources >"$image.list"
  mmdebstrap --mode=root --variant=minbase --format=directory --quiet \
    --include="$(list_of "$VM_DIR/packages" | paste -sd,)" \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "${options[@]}" bookworm "$tree" "$image.list"
  cp -a "$kernel/modules" "$tree/lib/modules"
  furnish_root "$tree"
  disk_from_folder "$tree" "$image.tmp" "$ROOT_SIZE"
  install -D "$tree/bin/busybox" "$image.busybox"
  rm -rf --one-file-system "$tree" "$image.list"
  mv "$image.tmp" "$image"
  drop_old root "$image" "$image.busybox"
}

# Mount points and small files that the guest's init expects.
furnish_root() {
  local tree=$1
  mkdir -p "$tree"/{proc,sys,dev,run,tmp,results,images} "$tree/etc/cni/net.d" "$tree/opt/cni" "$tree/lib/modules"
  ln -sfn /usr/lib/cni "$tree/opt/cni/bin"
  printf 'slipway-vm\n' >"$tree/etc/hostname"
  printf '127.0.0.1 localhost slipway-vm\n::1 localhost\n' >"$tree/etc/hosts"
  : >"$tree/etc/resolv.conf"
  printf 'nameserver 192.0.2.53\n' >"$tree/etc/resolv.conf"
}
