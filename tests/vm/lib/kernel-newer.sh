# shellcheck shell=bash
# A newer kernel for the guest: the cloud kernel of Debian's next release, its modules as a disk of their own.

NEWER_KERNEL=6.12
NEWER_RELEASE=trixie

# newer_kernel_dir: prints the folder that holds vmlinuz, modules/ and modules.img, making it when it is not there.
newer_kernel_dir() {
  local dir
  dir=$CACHE_DIR/newer-kernel-$(key_of "$VM_DIR/lib/kernel-newer.sh")
  [[ -e $dir/vmlinuz ]] || make_newer_kernel "$dir" >&2
  printf '%s\n' "$dir"
}

# An apt of its own: the host's lists and pins know nothing of another release, and stay as they are. Where the host's
# archives come from is where this one comes from.
newer_apt() {
  local home=$1
  shift
  mkdir -p "$home"/{lists/partial,cache/archives/partial,parts}
  [[ -e $home/sources.list ]] || printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg \
    "$(newer_archive)" "$NEWER_RELEASE" >"$home/sources.list"
  : >"$home/status"
  apt-"$1" -q -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts="$home/parts" -o Dir::Etc::PreferencesParts="$home/parts" \
    -o Dir::State::Lists="$home/lists" -o Dir::State::Status="$home/status" -o Dir::Cache="$home/cache" \
    -o APT::Sandbox::User=root -o APT::Architecture=amd64 "${@:2}"
}

newer_archive() {
  apt_sources | sed -n 's/^deb \(\[.*\] \)\?\([^ ]*\) bookworm main$/\2/p' | head -n 1
}

make_newer_kernel() {
  local dir=$1 tmp=$1.tmp package
  rm -rf "$tmp"
  mkdir -p "$tmp/deb" "$tmp/root"
  newer_apt "$tmp/apt" get update
  package=$({ newer_apt "$tmp/apt" cache depends --important linux-image-cloud-amd64 || true; } |
    sed -n "s/^ *Depends: \(linux-image-${NEWER_KERNEL}[0-9.+-]*[^ ]*\)\$/\1/p" | head -n 1)
  [[ -n $package ]] || die "Debian's $NEWER_RELEASE has no cloud kernel $NEWER_KERNEL"
  note "newer kernel: $package"
  (cd "$tmp/deb" && newer_apt "$tmp/apt" get download "$package")
  dpkg -x "$tmp"/deb/*.deb "$tmp/root"
  mv "$tmp"/root/boot/vmlinuz-* "$tmp/vmlinuz"
  mkdir "$tmp/modules"
  mv "$tmp"/root/usr/lib/modules/* "$tmp/modules/" 2>/dev/null || mv "$tmp"/root/lib/modules/* "$tmp/modules/"
  find "$tmp/modules" -name '*.ko.xz' -print0 | xargs -0 -r -P 2 -n 64 xz -d # the initramfs's insmod takes them plain
  rm -rf "$tmp/deb" "$tmp/root" "$tmp/apt"
  depmod_tree "$tmp"
  disk_from_folder "$tmp/modules" "$tmp/modules.img" "$(($(du -sm "$tmp/modules" | cut -f1) * 5 / 4 + 32))M"
  mv "$tmp" "$dir"
  drop_old newer-kernel "$dir"
}
