# shellcheck shell=bash
# What the guest's first programs have in common: disks, modules, network, the one command, the report, the end.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=${TERM:-vt102}

mount_disks() {
  mkdir -p /run/vm /images
  mount -t ext4 -o noatime /dev/vdb /images
  mount -t ext4 -o noatime /dev/vdd /run/vm
  mkdir -p /run/vm/results /results
  mount --bind /run/vm/results /results
  ln -sfn "$PROJECT" /slipway
  # A result written before a hang is on the disk two seconds later.
  echo 100 >/proc/sys/vm/dirty_writeback_centisecs
  echo 100 >/proc/sys/vm/dirty_expire_centisecs
}

load_modules() {
  modprobe dummy numdummies=0
  modprobe -a overlay veth bridge br_netfilter tun \
    nf_tables nf_nat nf_conntrack nft_compat nft_chain_nat nft_ct nft_fib_inet nft_masq nft_redir nft_reject_inet \
    xt_MASQUERADE xt_addrtype xt_comment xt_conntrack xt_mark xt_multiport xt_statistic xt_nat xt_tcpudp \
    loop 2>&1 | grep -v '^$'
}

network_up() {
  ip link set lo up
  # Somewhere for a default route to point at; nothing outside answers.
  ip link add outside type dummy
  ip addr add 192.0.2.1/24 dev outside
  ip link set outside up
  ip route add default via 192.0.2.254
  echo 1 >/proc/sys/net/ipv4/ip_forward
  echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
  echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
  hostname slipway-vm
}

# The names of the registries whose images tests/images serves, and the CA that vouches for them.
trust_registries() {
  [ -e /images/hosts ] || return 0
  cat /images/hosts >>/etc/hosts
  cp /images/ca/ca.crt /usr/local/share/ca-certificates/slipway-test.crt
  # update-ca-certificates takes seconds under emulation; this is what it would do.
  cat /images/ca/ca.crt >>/etc/ssl/certs/ca-certificates.crt
  cp /images/ca/ca.crt "/etc/ssl/certs/$(</images/ca/hash).0"
}

# Shortly before the host gives up, who is still there goes to the console. A fifo's read is its clock: a sleep would be a
# process that tests see. The host counts from the start of qemu, so the boot's own time is taken off.
watch_the_clock() {
  local up left
  read -r up _ </proc/uptime
  left=$((SLIPWAY_VM_TIMEOUT - ${up%.*} - 7))
  mkfifo /run/clock
  exec 8<>/run/clock
  read -rt "$((left > 1 ? left : 1))" <&8
  {
    echo "vm: no end so far; processes:"
    ps -fo pid,ppid,stat,wchan:20,args --ppid 2 -p 2 --deselect
  } >/dev/console 2>&1
}

power_off() {
  sync
  umount /results
  umount /run/vm
  echo o >/proc/sysrq-trigger
  while :; do :; done # no program: the disk may be gone before the machine is, and an init that ends is a panic
}

run_command() {
  local status writer
  # The second serial port is the command's alone, raw, so that its bytes arrive as they are; a pipe
  # between, since programs may reopen /dev/stdout or ask whether it is a terminal.
  stty -F /dev/ttyS1 raw -echo 115200
  mkfifo /run/command.out
  cat /run/command.out >/dev/ttyS1 &
  writer=$!
  (cd "$PROJECT" && exec setsid /bin/bash /run/vm/command) </dev/null >/run/command.out 2>&1
  status=$?
  drain "$writer"
  printf '%s\n' "$status" >/run/vm/status
  cp /proc/uptime /run/vm/ended
}

# The writer ends by itself unless something in the background still holds its pipe.
drain() {
  local tries=0
  while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 40 ]; do
    sleep 0.05
    tries=$((tries + 1))
  done
}

# A shell on the serial console, for people.
run_shell() {
  echo
  echo "slipway test VM: $PROJECT is here, results go to /results, 'exit' powers off"
  (cd "$PROJECT" && setsid -c /bin/bash </dev/ttyS0 >/dev/ttyS0 2>&1)
  echo $? >/run/vm/status
}

# The one command with the environment that it finds, to the machine's end.
serve_command() {
  export SLIPWAY_VM=1 SLIPWAY_PROJECT=$PROJECT
  # shellcheck source=/dev/null
  . /run/vm/environment
  cp /proc/uptime /run/vm/booted
  if [ -e /run/vm/command ]; then
    if [ "$SLIPWAY_VM_TIMEOUT" -gt 12 ]; then watch_the_clock & fi
    run_command
  else
    run_shell
  fi
  power_off
}
