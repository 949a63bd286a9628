# shellcheck shell=bash
# For cases of the guest whose PID 1 is systemd: on lib.sh and cri.sh.

# property UNIT NAME
property() { systemctl show --value -p "$2" "$1"; }

# cgroup_of PID: beneath the root.
cgroup_of() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }

# pid_of CONTAINER
pid_of() { cri ContainerStatus "{\"container_id\": \"$1\", \"verbose\": true}" | jq -r '.info | to_entries[0].value | fromjson | .pid'; }

unit_gone() { [[ $(property "$1" LoadState) == not-found ]]; }

# parent_slice NAME: the kubelet's slice of a pod; ended with the case.
parent_slice() {
  at_exit systemctl stop "${1%%-*}.slice"
  busctl -q call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' \
    "$1" replace 1 MemoryAccounting b true 0 >/dev/null
}
