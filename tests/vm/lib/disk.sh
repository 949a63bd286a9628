# shellcheck shell=bash
# Disks from folders and back, without mounting anything.

# disk_from_folder FOLDER IMAGE SIZE
disk_from_folder() {
  rm -f "$2"
  PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O '^has_journal,^metadata_csum' -E lazy_itable_init=1,root_owner=0:0 \
    -m 0 -d "$1" "$2" "$3" >/dev/null
}

# empty_disk IMAGE SIZE: with a journal, as a node's disk has, so that it outlives a reset.
empty_disk() {
  PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -E lazy_itable_init=1,root_owner=0:0 -m 0 "$1" "$2" >/dev/null
}

# folder_from_disk IMAGE FOLDER: everything on the disk.
folder_from_disk() {
  mkdir -p "$2"
  PATH=$PATH:/usr/sbin:/sbin debugfs -R "rdump / \"$2\"" "$1" 2>&1 | grep -v '^debugfs ' >&2 || true
  rmdir "$2/lost+found" 2>/dev/null || true
}
