#!/bin/bash
# SecurityContext → capabilities, seccomp, namespaces, users, masks: what a process inside sees.
# timeout: 400
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
mkdir -p "$CASE_DIR/profiles"
start_slipwayd
busybox=$(pull busybox)
pod=$(run_pod safe '.linux.security_context.namespace_options.network = "NODE"')

show() { # NAME JQ COMMAND…: the output of a container that ends
  local name=$1 filter=$2
  shift 2
  run_to_end safe "$pod" "$name" "$busybox" "$filter" "$@" >/dev/null
  log_of safe "$name"
}

# A system call outside the profile fails with EPERM, inside Unconfined it does not.
assert_contains "$(show default . sh -c 'unshare -m true; echo "status $?"')" "Operation not permitted"
bare='.linux.security_context.apparmor.profile_type = "Unconfined"'
unconfined="$bare | "'.linux.security_context.seccomp.profile_type = "Unconfined" | .linux.security_context.capabilities.add_capabilities = ["SYS_ADMIN"]'
assert_contains "$(show unconfined "$unconfined" sh -c 'unshare -m true; echo "status $?"')" "status 0"
echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}' >"$CASE_DIR/profiles/nodirs.json"
localhost=".linux.security_context.seccomp = {profile_type: \"Localhost\", localhost_ref: \"$CASE_DIR/profiles/nodirs.json\"}"
assert_contains "$(show localhost "$localhost" sh -c 'mkdir /tmp/x; echo "status $?"')" "Operation not permitted"
assert_eq "$(show mode . sh -c 'grep Seccomp: /proc/self/status' | tr -d '\t ')" "Seccomp:2"

# Capabilities: the usual fourteen, nothing inheritable; dropped and added by name.
assert_eq "$(show caps . sh -c 'grep -E "Cap(Inh|Eff|Bnd|Amb)" /proc/self/status | tr -d "\t" | tr "\n" " "')" \
  "CapInh:0000000000000000 CapEff:00000000a80425fb CapBnd:00000000a80425fb CapAmb:0000000000000000 "
none='.linux.security_context.capabilities.drop_capabilities = ["ALL"]'
assert_eq "$(show nocaps "$none" sh -c 'grep CapEff /proc/self/status' | tr -d '\t')" "CapEff:0000000000000000"
one='.linux.security_context.capabilities = {drop_capabilities: ["ALL"], add_capabilities: ["CAP_NET_BIND_SERVICE"]}'
assert_eq "$(show onecap "$one" sh -c 'grep CapEff /proc/self/status' | tr -d '\t')" "CapEff:0000000000000400"
ambient='.linux.security_context |= (.run_as_user = {value: "1234"} | .capabilities.add_ambient_capabilities = ["CAP_NET_BIND_SERVICE"])'
assert_eq "$(show ambient "$ambient" sh -c 'grep -E "Cap(Eff|Amb)" /proc/self/status | tr -d "\t" | tr "\n" " "')" "CapEff:0000000000000400 CapAmb:0000000000000400 "

# Users: groups exactly as asked for; no_new_privs; umask; no descriptor of ours; no environment of ours.
user='.linux.security_context |= (.run_as_user = {value: "1234"} | .run_as_group = {value: "5678"} | .supplemental_groups = ["42"] | .no_new_privs = true)'
assert_eq "$(show user "$user" sh -c 'id -u; id -g; id -G; grep NoNewPrivs /proc/self/status; umask')" "$(printf '1234\n5678\n5678 42\nNoNewPrivs:\t1\n0022')"
assert_eq "$(show fds . sh -c 'ls /proc/self/fd | tr "\n" " "')" "0 1 2 3 "
assert_eq "$(show environment . env | cut -d= -f1 | sort | tr '\n' ' ')" "HOME HOSTNAME PATH "

# Namespaces and what is hidden.
assert_matches "$(show pid . sh -c 'echo $$; ls /proc | grep -c "^[0-9]"')" '^1[[:space:]][123]$' "a PID namespace of its own"
hidden="$bare | "'.linux.security_context |= (.masked_paths = ["/proc/kcore", "/proc/acpi"] | .readonly_paths = ["/proc/sys"])'
assert_eq "$(show hidden "$hidden" sh -c 'wc -c </proc/kcore; echo x 2>/dev/null >/proc/sys/kernel/hostname || echo refused; mount | grep -c " on /sys/fs/cgroup .*ro,"' 2>&1)" "$(printf '0\nrefused\n1')"
readonly_root='.linux.security_context.readonly_rootfs = true'
assert_contains "$(show readonly "$readonly_root" sh -c 'touch /x')" "Read-only file system"
strong=$(run_pod strong '.linux.security_context |= (.privileged = true | .namespace_options.network = "NODE")')
privileged='.linux.security_context.privileged = true'
assert_fails "privileged pod" create safe "$pod" bad "$busybox" "$privileged" true
run_to_end strong "$strong" mounter "$busybox" "$privileged" sh -c 'mount -t tmpfs t /tmp; echo $?' >/dev/null
assert_eq "$(log_of strong mounter)" 0 "a mount in a privileged container"
remove_pod "$strong"

# What cannot be is said with the field's name.
assert_fails INVALID_ARGUMENT create safe "$pod" bad "$busybox" '.linux.security_context.capabilities.add_capabilities = ["CAP_NOSUCH"]' true
assert_fails run_as_username create safe "$pod" bad "$busybox" '.linux.security_context.run_as_username = "nobody-of-this-name"' true
assert_fails INVALID_ARGUMENT run_pod sysctl '.linux.sysctls = {"kernel.core_pattern": "|/bin/evil"}'
assert_fails INVALID_ARGUMENT run_pod sysctl2 '.linux.sysctls = {"kernel.shm_rmid_forced": "1+kernel.core_pattern=|x"}'
remove_pod "$pod"
