# shellcheck shell=bash
# Root disks of guests that hold more than the ordinary one: its packages and those of packages-NAME.

# other_root_image NAME KERNEL_DIR [FILE…]: prints the path of the cached root disk, making it when it is not there. FILEs are what
# its making depends on beside the lists.
other_root_image() {
  local name=$1 kernel=$2 image
  shift 2
  image=$CACHE_DIR/$name-root-$(key_of "$VM_DIR/packages" "$VM_DIR/packages-$name" "$VM_DIR/lib/root.sh" "$VM_DIR/lib/kernel.sh" "$@").img
  [[ -e $image ]] || make_other_root "$name" "$image" "$kernel" >&2
  printf '%s\n' "$image"
}

# make_root with another list. It would take the ordinary disk for an old one of these: nothing is dropped in there.
make_other_root() {
  local name=$1 image=$2 kernel=$3 lists
  lists=$(mktemp -d "$CACHE_DIR/lists.XXXXXX")
  cat "$VM_DIR/packages" "$VM_DIR/packages-$name" >"$lists/packages"
  (
    VM_DIR=$lists
    # shellcheck disable=SC2317  # make_root calls it
    drop_old() { :; }
    make_root "$image" "$kernel"
  )
  rm -r "$lists" "$image.busybox"
  drop_old "$name-root" "$image"
}
