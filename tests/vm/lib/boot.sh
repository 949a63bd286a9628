# shellcheck shell=bash
# One boot of the test VM: qemu's arguments, its time-out, what its end means.

# accelerator: prints kvm or tcg. /dev/kvm may exist and hang at the first instruction, so a
# kernel without a root must reach its panic under it within the time; remembered until the host reboots.
accelerator() {
  local memo answer kernel=$1
  memo=$CACHE_DIR/kvm-$(</proc/sys/kernel/random/boot_id)
  if [[ ! -e $memo ]]; then
    rm -f "$CACHE_DIR"/kvm-*
    answer=tcg
    if [[ -r /dev/kvm && -w /dev/kvm ]] && kvm_runs "$kernel"; then answer=kvm; fi
    note "accelerator: $answer"
    printf '%s\n' "$answer" >"$memo.tmp"
    mv "$memo.tmp" "$memo"
  fi
  cat "$memo"
}

kvm_runs() {
  timeout -k 2 20 qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults -no-user-config -display none \
    -no-reboot -kernel "$1/vmlinuz" -append 'panic=-1 root=/dev/none' </dev/null >/dev/null 2>&1
}

# qemu_arguments RUN_DIR: fills the array QEMU. Disks: vda root, vdb images, vdc payload, vdd results, vde --disk; the last, where
# MODULES names one, the modules of a kernel that is not the root disk's. FIRST is the guest's first program, SECURITY its security module.
qemu_arguments() {
  local run=$1 accel append
  # shellcheck disable=SC2153
  accel=$(accelerator "$KERNEL")
  # no_timer_check: an emulated timer is late on a busy host, which the kernel would take for a broken IO-APIC.
  # shellcheck disable=SC2153
  append="console=ttyS0 panic=-1 quiet mitigations=off no_timer_check cgroup_no_v1=all $SECURITY=1 security=$SECURITY"
  append+=" slipway.project=$PROJECT_DIR slipway.init=$FIRST"
  [[ -z $MODULES ]] || append+=" slipway.modules=/dev/vd$([[ -z $DISK ]] && echo e || echo f)"
  QEMU=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
    -m "$MEMORY" -smp 2 -kernel "$KERNEL/vmlinuz" -initrd "$INITRAMFS" -append "$append"
    -drive "file=$ROOT,if=virtio,format=raw,snapshot=on,cache=unsafe"
    -drive "file=$IMAGES,if=virtio,format=raw,snapshot=on,cache=unsafe"
    -drive "file=$run/payload.img,if=virtio,format=raw,cache=unsafe"
    -drive "file=$run/results.img,if=virtio,format=raw,cache=unsafe"
    -device virtio-rng-pci)
  # Writes of the guest's kernel reach this file and stay; what the guest had only in its memory is gone after a reset.
  [[ -z $DISK ]] || QEMU+=(-drive "file=$DISK,if=virtio,format=raw,cache=unsafe")
  [[ -z $MODULES ]] || QEMU+=(-drive "file=$MODULES,if=virtio,format=raw,snapshot=on,cache=unsafe")
  if [[ $accel == kvm ]]; then
    QEMU+=(-accel kvm -cpu host)
  else
    # qemu 7.2 emulates cmpxchg16b so that a kernel's free lists break: 6.12 at once, 6.1 once in some hundred boots of a busy host, which
    # then spins in silence. Without it the kernel takes locks.
    # One thread for both processors: with two, qemu before 8.1 translates code that the other one is changing, and a kernel that patches itself
    # (static keys) dies of an int3 that is long gone: once in some hundred boots.
    QEMU+=(-accel "tcg,thread=${SLIPWAY_VM_THREAD:-single}" -cpu "qemu64,-cx16")
  fi
}

# boot_command RUN_DIR SECONDS: the command's output is our stdout; returns 124 after a time-out.
boot_command() {
  local run=$1 status=0 reader
  mkfifo "$run/out"
  cat "$run/out" &
  reader=$!
  timeout -k 5 "$2" "${QEMU[@]}" \
    -chardev "file,id=console,path=$run/console.log" -serial chardev:console \
    -chardev stdio,id=out,signal=off -serial chardev:out \
    </dev/null >"$run/out" 2>"$run/qemu.log" &
  QEMU_PID=$!
  wait "$QEMU_PID" || status=$?
  QEMU_PID=
  wait "$reader" || true
  return "$status"
}

boot_shell() {
  "${QEMU[@]}" \
    -chardev "stdio,id=console,mux=on,signal=off,logfile=$1/console.log" -serial chardev:console
}

# console_tail RUN_DIR: the last words of a guest that did not end well.
console_tail() {
  note "the console's last lines ($1/console.log):"
  tail -n 60 "$1/console.log" 2>/dev/null | tr -d '\r' | sed 's/^/vm|   /' >&2
  sed 's/^/vm|   /' "$1/qemu.log" >&2 2>/dev/null || true
}
