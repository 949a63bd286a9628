# shellcheck shell=bash
# The guest's kernel: Debian's cloud kernel, unpacked but never installed.

KERNEL_PACKAGE=linux-image-cloud-amd64

# kernel_dir: prints the folder that holds vmlinuz and modules/, making it when it is not there.
kernel_dir() {
  local dir
  dir=$CACHE_DIR/kernel-$(key_of "$VM_DIR/lib/kernel.sh")
  [[ -e $dir/vmlinuz ]] || make_kernel "$dir" >&2
  printf '%s\n' "$dir"
}

# The meta package only depends on the real one, whose name carries the version.
kernel_package() {
  { apt-cache depends --important "$KERNEL_PACKAGE" 2>/dev/null || true; } |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

make_kernel() {
  local dir=$1 package tmp
  tmp=$dir.tmp
  rm -rf "$tmp"
  mkdir -p "$tmp/deb" "$tmp/root"
  package=$(kernel_package)
  if [[ -z $package ]]; then # a fresh machine has no package lists yet
    apt-get -q update
    package=$(kernel_package)
  fi
  [[ -n $package ]] || die "apt knows no $KERNEL_PACKAGE"
  note "kernel: $package"
  (cd "$tmp/deb" && apt-get -q -o APT::Sandbox::User=root download "$package")
  dpkg -x "$tmp"/deb/*.deb "$tmp/root"
  mv "$tmp"/root/boot/vmlinuz-* "$tmp/vmlinuz"
  mkdir "$tmp/modules"
  mv "$tmp"/root/lib/modules/* "$tmp/modules/"
  rm -rf "$tmp/deb" "$tmp/root"
  depmod_tree "$tmp"
  mv "$tmp" "$dir"
  drop_old kernel "$dir"
}

# depmod wants the folder layout of a root; a link gives it one for the time of the call.
depmod_tree() {
  local dir=$1 version
  version=$(basename "$dir"/modules/*)
  mkdir -p "$dir/lib"
  ln -s ../modules "$dir/lib/modules"
  /sbin/depmod -b "$dir" "$version"
  rm -r "${dir:?}/lib"
}
