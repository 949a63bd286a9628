# shellcheck shell=bash
# The root disk of the guest with SELinux: Debian's policy, the containers' types that it lacks, and every file labelled.

selinux_root_image() {
  local policy=$VM_DIR/containers.cil
  (
    eval "plain_$(declare -f apt_options)"
    # mmdebstrap's options, of which ours come last; $1 is the tree, for its shell to expand. Nothing but the root is labelled: the rest is mounted.
    # shellcheck disable=SC2016,SC2317
    apt_options() {
      plain_apt_options
      printf '%s\n' "--customize-hook=cp '$policy' \"\$1/tmp/containers.cil\"" \
        '--customize-hook=chroot "$1" semodule --noreload --install /tmp/containers.cil && rm "$1/tmp/containers.cil"' \
        '--customize-hook=chroot "$1" setfiles -m -F -e /proc -e /sys -e /dev /etc/selinux/default/contexts/files/file_contexts /'
    }
    other_root_image selinux "$1" "$policy" "$VM_DIR/lib/root-selinux.sh"
  )
}
