# shellcheck shell=bash
# Names, folders and messages that every part of the test VM's host side shares.

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PROJECT_DIR=$(cd "$VM_DIR/../.." && pwd)
BUILD_DIR=${SLIPWAY_BUILD_DIR:-$PROJECT_DIR/build}
PRESET=${PRESET:-release}
CACHE_DIR=$BUILD_DIR/vm

note() { printf 'vm: %s\n' "$*" >&2; }
die() {
  note "$*"
  exit 1
}

# The lines of a list file without comments.
list_of() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }

# A short key over the content of files: what a cached artefact was made from.
key_of() { cat "$@" | sha256sum | cut -c1-12; }

# need_tool PROGRAM PACKAGE
need_tool() {
  PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ||
    die "'$1' is missing: install Debian's package '$2' (./dev setup installs all of tests/vm/host-packages)"
}

# drop_old PREFIX KEEP…: removes CACHE_DIR/PREFIX-* except what is to be kept, so that build/vm stays small.
# What a running VM still has open lives on until it ends.
drop_old() {
  local prefix=$1 entry kept
  shift
  for entry in "$CACHE_DIR/$prefix"-*; do
    [[ -e $entry ]] || continue
    for kept in "$@"; do
      if [[ $entry == "$kept" ]]; then continue 2; fi
    done
    rm -rf --one-file-system -- "$entry"
  done
}
