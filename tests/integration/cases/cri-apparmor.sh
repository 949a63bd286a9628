#!/bin/bash
# AppArmor: RuntimeDefault (and no word of it) loads slipway's own profile, Localhost one of the host's, Unconfined none; exec as the container.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
[[ $(cat /sys/module/apparmor/parameters/enabled) == Y ]] || fail "this kernel runs without AppArmor"
start_registry
mkdir -p "$CNI_CONF"
start_slipwayd
busybox=$(pull busybox)
network='.linux.security_context.namespace_options.network = "NODE"'
pod=$(run_pod guarded "$network")
profile() { echo "$network | .linux.security_context.apparmor = {profile_type: \"$1\"} | .linux.security_context.seccomp.profile_type = \"Unconfined\"
  | .linux.security_context.capabilities.add_capabilities = [\"SYS_ADMIN\"]"; }

# The default one: no mounts and no writing to the host's sysctls, whatever capabilities there are; files and signals as ever.
id=$(started guarded "$pod" default "$busybox" "$(profile RuntimeDefault)" sleep 1000)
seen=$(exec_out "$id" sh -c 'exec 2>&1; cat /proc/self/attr/current /proc/1/attr/current; mount -t tmpfs t /tmp 2>&1; head -c 1 /proc/kcore 2>&1; echo >/proc/sys/vm/drop_caches
  touch /file && echo file; sleep 100 & kill $! && echo killed' 2>&1)
assert_contains "$seen" "$(printf 'slipway-default-1 (enforce)\nslipway-default-1 (enforce)\n')" "profiles of exec and container"
assert_contains "$seen" "mount: mounting t on /tmp failed: Permission denied" "a mount"
assert_eq "$(grep -c "ermission denied" <<<"$seen")" 3 "what is denied"
assert_contains "$seen" "$(printf 'file\nkilled')" "what is allowed"
grep -q '^slipway-default-1 (enforce)$' /sys/kernel/security/apparmor/profiles || fail "the profile is not in the kernel"
stop_container "$id" 1
assert_eq "$(status "$id" exit_code)" 137 "ended from outside"

# Who names none gets the same, unless privileged.
attr='cat /proc/self/attr/current'
run_to_end guarded "$pod" none "$busybox" "$network" sh -c "$attr" >/dev/null
assert_eq "$(log_of guarded none)" "slipway-default-1 (enforce)" "no profile named"
run_to_end guarded "$pod" old "$busybox" "$network | .linux.security_context.apparmor_profile = \"runtime/default\"" sh -c "$attr" >/dev/null
assert_eq "$(log_of guarded old)" "slipway-default-1 (enforce)" "the deprecated field"
strong=$(run_pod strong ".linux.security_context.privileged = true | $network")
run_to_end strong "$strong" privileged "$busybox" ".linux.security_context.privileged = true" sh -c "$attr" >/dev/null
assert_eq "$(log_of strong privileged)" unconfined "a privileged container"
remove_pod "$strong"

# Unconfined, and a profile of the host's.
run_to_end guarded "$pod" unconfined "$busybox" "$(profile Unconfined)" sh -c 'cat /proc/self/attr/current; mount -t tmpfs t /tmp && echo mounted' >/dev/null
assert_eq "$(log_of guarded unconfined)" "$(printf 'unconfined\nmounted')"
apparmor_parser --replace --skip-cache <<<'profile case-nowrite flags=(attach_disconnected) { file, capability, network, deny /secret/** w, }'
at_exit eval "echo 'profile case-nowrite { }' | apparmor_parser --remove"
localhost="$(profile Localhost) | .linux.security_context.apparmor.localhost_ref = \"case-nowrite\""
run_to_end guarded "$pod" local "$busybox" "$localhost" sh -c 'cat /proc/self/attr/current; mkdir /secret; touch /secret/x 2>&1' >/dev/null
assert_eq "$(log_of guarded local)" "$(printf 'case-nowrite (enforce)\ntouch: /secret/x: Permission denied')"
assert_fails "AppArmor profile 'no-such' is not loaded" create guarded "$pod" bad "$busybox" "$localhost | .linux.security_context.apparmor.localhost_ref = \"no-such\"" true
remove_pod "$pod"
