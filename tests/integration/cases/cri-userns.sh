#!/bin/bash
# Pods with a user namespace: ids inside and outside, images and volumes by id-mapped mounts, what the kernel cannot map.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)

assert_eq "$(cri Status '{}' | jq -c '.runtime_handlers[0].features')" '{"recursive_read_only_mounts":true,"user_namespaces":true}' "features of the handler"
map='[{host_id: 200000, container_id: 0, length: 65536}]'
users=".userns_options = {mode: \"POD\", uids: $map, gids: $map}"
pod=$(run_pod mapped ".linux.security_context.namespace_options |= ($users | .pid = \"POD\") | .linux.sysctls = {\"net.ipv4.ip_unprivileged_port_start\": \"80\", \"kernel.shm_rmid_forced\": \"1\"}")
mkdir -p "$CASE_DIR/volume" && touch "$CASE_DIR/volume/seven" && chown 7:8 "$CASE_DIR/volume/seven"
volume=".mounts = [{container_path: \"/mapped\", host_path: \"$CASE_DIR/volume\", uidMappings: $map, gidMappings: $map},
  {container_path: \"/plain\", host_path: \"$CASE_DIR/volume\"}]"
own=".linux.security_context.namespace_options |= ($users | .pid = \"POD\")"
id=$(started mapped "$pod" web "$busybox" "$volume | $own" sleep 1000)
pid=$(cri ContainerStatus "{\"container_id\": \"$id\", \"verbose\": true}" | jq -r '.info | to_entries[] | .value' | grep -oE '"pid": ?[0-9]+' | grep -oE '[0-9]+' | head -1)

# Inside it is root, outside nobody that the host knows.
inside=$(exec_out "$id" sh -c 'cat /proc/self/uid_map /proc/self/gid_map | tr -s " "; id -u; stat -c "%n %u:%g" / /bin/busybox /dev/null /dev/shm /etc/hosts /mapped/seven /plain/seven
  touch /mapped/new /root-file && ls /proc/1/root 2>&1 | head -1; touch /plain/new || true; readlink /proc/self/ns/user; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced; hostname' 2>&1)
assert_contains "$inside" "$(printf ' 0 200000 65536\n 0 200000 65536\n0\n/ 0:0\n/bin/busybox 0:0\n/dev/null 0:0\n/dev/shm 0:0\n/etc/hosts 0:0\n/mapped/seven 7:8\n/plain/seven 65534:65534\n')" "what the container sees"
assert_contains "$inside" "$(printf '\n80\n1\nmapped')" "its sysctls and name"
assert_lacks "$inside" "$(readlink /proc/self/ns/user)" "user namespace"
assert_eq "$(stat -c %u:%g "$CASE_DIR/volume/new")" "0:0" "a file made through the mapped volume"
assert_eq "$(grep -E '^(Uid|Gid)' "/proc/$pid/status" | tr '\t' ' ')" "$(printf 'Uid: 200000 200000 200000 200000\nGid: 200000 200000 200000 200000')" "ids on the host"
for kind in net ipc uts pid; do
  [[ $(readlink "/proc/$pid/ns/$kind") != $(readlink "/proc/self/ns/$kind") ]] || fail "$kind is the host's"
done
# The image's layers stay as they were unpacked; what the container writes is of its host ids.
assert_eq "$(find "$CASE_DIR/root/images/layers" -uid +199999 | wc -l)" 0 "files of layers with mapped ids"
assert_eq "$(find "$CASE_DIR/root/images/containers/$id" -name root-file -printf '%U:%G')" "200000:200000" "a file of the upper layer"

# Another container of the pod, another user; a user that is not mapped; capabilities of the namespace only.
user=".linux.security_context |= (.run_as_user = {value: \"1000\"} | .run_as_group = {value: \"1001\"} | .supplemental_groups = [\"5\"])"
run_to_end mapped "$pod" user "$busybox" "$own | $user" sh -c 'id -u; id -g; id -G; ulimit -n; readlink /proc/self/ns/user; stat -L -c %u /dev/stdout; cat /proc/1/comm' >/dev/null
assert_eq "$(log_of mapped user)" "$(printf '1000\n1001\n1001 5\n1048576\n%s\n1000\npod-init' "$(readlink "/proc/$pid/ns/user")")" "a user of the pod"
assert_fails "not mapped" create mapped "$pod" bad "$busybox" "$own | .linux.security_context.run_as_user = {value: \"70000\"}" true
powers='.linux.security_context.apparmor.profile_type = "Unconfined" | .linux.security_context.capabilities.add_capabilities = ["SYS_ADMIN", "SYS_PTRACE"] | .linux.security_context.seccomp.profile_type = "Unconfined"'
run_to_end mapped "$pod" admin "$busybox" "$own | $powers" sh -c 'mount -t tmpfs t /tmp && echo mounted; echo 1 2>/dev/null >/proc/sys/vm/drop_caches || echo refused; mknod /tmp/sda b 8 0 2>/dev/null || echo no device' >/dev/null
assert_eq "$(log_of mapped admin)" "$(printf 'mounted\nrefused\nno device')" "SYS_ADMIN in the pod's user namespace"

# What a device's vendor mounts is the host's root's, and no read-only bind is locked against SYS_ADMIN of the pod.
mkdir -p /etc/cdi "$CASE_DIR/vendor"
at_exit rmdir --ignore-fail-on-non-empty /etc/cdi
at_exit rm -f /etc/cdi/slipway-case.json
printf '{"cdiVersion": "0.6.0", "kind": "vendor.com/case", "devices": [{"name": "0", "containerEdits": {"mounts": [
  {"hostPath": "%s", "containerPath": "/vendor", "options": ["ro", "bind"]}]}}]}' "$CASE_DIR/vendor" >/etc/cdi/slipway-case.json
run_to_end mapped "$pod" device "$busybox" "$own | $powers | .CDI_devices = [{name: \"vendor.com/case=0\"}]" \
  sh -c 'stat -c %u /vendor; touch /vendor/ro 2>/dev/null || echo refused; mount -o remount,bind,rw /vendor && touch /vendor/rw 2>/dev/null || echo refused again' >/dev/null
assert_eq "$(log_of mapped device)" "$(printf '65534\nrefused\nrefused again')" "a device's mount in a pod with ids of its own"
assert_eq "$(ls "$CASE_DIR/vendor")" "" "what the pod's root wrote into the host's"

# The kernel's limits are said: secret volumes are a tmpfs, which Linux 6.1 cannot map.
mkdir -p "$CASE_DIR/secret" && mount -t tmpfs secret "$CASE_DIR/secret" && at_exit umount "$CASE_DIR/secret"
secret=".mounts = [{container_path: \"/secret\", host_path: \"$CASE_DIR/secret\", uidMappings: $map, gidMappings: $map}]"
if [[ $(uname -r) == 6.1.* ]]; then
  refused=$(create mapped "$pod" secret "$busybox" "$own | $secret" true)
  assert_fails "tmpfs, which Linux 6.3 and later can map" start "$refused"
else
  run_to_end mapped "$pod" secret "$busybox" "$own | $secret" stat -c %u /secret >/dev/null
  assert_eq "$(log_of mapped secret)" 0
fi
assert_fails "NODE and a user namespace" run_pod bad ".linux.security_context.namespace_options |= ($users | .network = \"NODE\")"
assert_fails "id 0 is not mapped" run_pod bad ".linux.security_context.namespace_options.userns_options = {mode: \"POD\", uids: [{host_id: 1000, container_id: 1, length: 10}], gids: $map}"
remove_pod "$pod"
