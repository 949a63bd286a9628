# shellcheck shell=bash
# What the test images take from Debian: a busybox of its source package and a tree of its binary packages.

DEBIAN_TREE_PACKAGES=nginx-core,apache2-bin,python3-minimal,libpython3-stdlib

# shellcheck source=SCRIPTDIR/../vm/lib/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib/apt.sh"

# Debian's own busybox runs applets inside its shell, so that a mask over /bin/ls would mask nothing;
# this one is the same source without that, and with the ipcs and pgrep that conformance tests call.
build_busybox() {
  local work=$1 program=$2 option
  mkdir -p "$work/lists/partial"
  fetch_source "$work" busybox
  cd "$work/source" || return
  cp debian/config/pkg/static .config
  for option in FEATURE_SH_STANDALONE FEATURE_PREFER_APPLETS; do
    sed -i "s/^CONFIG_$option=y/# CONFIG_$option is not set/" .config
  done
  for option in PGREP PKILL IPCS IPCRM; do
    sed -i "s/^# CONFIG_$option is not set/CONFIG_$option=y/" .config
  done
  make oldconfig < <(yes '')
  make -j"$(nproc)" busybox
  install -m 755 busybox "$program"
}

# fetch_source FOLDER PACKAGE: unpacks the source package into FOLDER/source.
fetch_source() {
  local options=(-q -o "Dir::Etc::sourcelist=$1/src.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$1/lists" -o APT::Sandbox::User=root)
  cd "$1" || return
  apt_sources | sed 's/^deb /deb-src /' >src.list
  apt-get "${options[@]}" update
  apt-get "${options[@]}" source --download-only "$2"
  dpkg-source -x "$2"_*.dsc source
}

debian_tree() {
  local tree=$1 options=()
  mapfile -t options < <(apt_options)
  apt_sources >"$tree.list"
  mmdebstrap --mode=root --variant=minbase --format=directory --quiet --include="$DEBIAN_TREE_PACKAGES" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "${options[@]}" bookworm "$tree" "$tree.list"
}
