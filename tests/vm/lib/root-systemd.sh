# shellcheck shell=bash
# The root disk of the guest whose PID 1 is systemd: the ordinary one's packages and those of packages-systemd.

# systemd_root_image KERNEL_DIR: prints the path of the cached root disk, making it when it is not there.
systemd_root_image() {
  local image
  image=$CACHE_DIR/systemd-root-$(key_of "$VM_DIR/packages" "$VM_DIR/packages-systemd" "$VM_DIR/lib/root.sh" "$VM_DIR/lib/kernel.sh").img
  [[ -e $image ]] || make_systemd_root "$image" "$1" >&2
  printf '%s\n' "$image"
}

# make_root with another list. It would take the ordinary disk for an old one of these: nothing is dropped in there.
make_systemd_root() {
  local image=$1 kernel=$2 lists
  lists=$(mktemp -d "$CACHE_DIR/lists.XXXXXX")
  cat "$VM_DIR/packages" "$VM_DIR/packages-systemd" >"$lists/packages"
  (
    VM_DIR=$lists
    # shellcheck disable=SC2317  # make_root calls it
    drop_old() { :; }
    make_root "$image" "$kernel"
  )
  rm -r "$lists" "$image.busybox"
  drop_old systemd-root "$image"
}
