# shellcheck shell=bash disable=SC2154
# Debian's podman with slipway as its OCI runtime: on lib.sh, whose `gives` sets $out. Each check is a function; cases say which ones, and the
# manager of cgroups.

STATE=/run/case-podman

# podman_setup MANAGER: configuration, a storage of the case's own and the image `box` (busybox).
podman_setup() {
  PODMAN=(podman --root "$CASE_DIR/storage" --runroot "$STATE" --tmpdir "$STATE/tmp" --runtime slipway --cgroup-manager "$1")
  export CONTAINERS_CONF=$CASE_DIR/containers.conf TMPDIR=$CASE_DIR
  sed "s|@SLIPWAY_BINDIR@|$(dirname "$(command -v slipway)")|" "$LIB_DIR/../../packaging/containers/podman.conf.in" >"$CONTAINERS_CONF"
  at_exit podman_end
  local root=$CASE_DIR/box applet
  mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,run}
  cp /bin/busybox "$root/bin/busybox"
  for applet in sh ls cat id env echo grep sleep tty stty head dd mknod readlink hostname mount tr ip ps df wc touch; do
    ln "$root/bin/busybox" "$root/bin/$applet"
  done
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nuser:x:1000:\n' >"$root/etc/group"
  tar -C "$root" -c . | p import - box >/dev/null
}

p() { "${PODMAN[@]}" "$@"; }

# podman keeps its parent of cgroups, and the mount that its storage lies on.
podman_end() {
  p rm --all --force --time 0 >/dev/null 2>&1 || true
  p pod rm --all --force >/dev/null 2>&1 || true
  umount "$CASE_DIR/storage/overlay" 2>/dev/null || true
  rm -rf "$STATE" /run/containers /run/libpod /run/lock/libpod_lock /dev/shm/libpod_lock
  ip link delete cni-podman0 2>/dev/null || true
  rmdir /sys/fs/cgroup/libpod_parent/conmon /sys/fs/cgroup/libpod_parent 2>/dev/null || true
}

run() { p run --rm --network none "$@"; }
state_of() { p inspect --format '{{.State.Status}}' "$1"; }

# An image as others build them: its user, environment, directory, volume and entrypoint are podman's business, and then ours.
podman_loads() {
  p load -q -i "$SLIPWAY_IMAGES/load/docker.tar" >/dev/null
  gives 0 run slipway.test/loaded/archive:1
  assert_contains "$out" $'args=entry one two words\npwd=/work\nids=33:33:33'
  assert_contains "$out" FROM_IMAGE=yes
  assert_eq "$(run --entrypoint /bin/sh slipway.test/loaded/archive:1 -c 'grep -c " /data " /proc/mounts')" 1 "a volume of the image"
}

podman_foreground() {
  gives 7 run box sh -c 'echo out; echo err >&2; exit 7'
  assert_contains "$out" out
  assert_contains "$out" err
  gives 127 run box no-such-program
  assert_contains "$out" "executable file not found"
  gives 126 run box /etc
  assert_contains "$out" "Permission denied"
  gives 125 run --no-such-flag box true
  assert_eq "$(echo to stdin | run -i box cat)" "to stdin"
  gives 6 python3 "$LIB_DIR/pty_client.py" 24x80 expect=ready 'send=echo $((40+2))\n' expect=42 resize=33x77 "send=$(when_size 33 77)\\n" \
    'expect=33 77' 'send=exit 6\n' -- "${PODMAN[@]}" run --rm -it --network none box sh -c 'tty; echo ready; exec sh'
  assert_contains "$out" /dev/pts/0
}

podman_settings() {
  local volume=$CASE_DIR/volume
  mkdir -p "$volume"
  echo "from the host" >"$volume/file"
  gives 0 run --env A=B --workdir /tmp --user user --group-add 55 --umask 0027 --hostname named --cap-drop all --cap-add net_raw \
    --ulimit nofile=100:200 --ulimit nproc=99:99 --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=9000 --shm-size 1m --tmpfs /mnt:size=1m \
    --read-only -v "$volume:/v:ro" -v named:/n --device /dev/zero:/dev/nought --oom-score-adj 77 --security-opt mask=/proc/version \
    --security-opt no-new-privileges box sh -c 'echo $A $HOME; pwd; id; umask; hostname; grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status
      ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; df /dev/shm | tr -s " " | grep shm; cat /v/file
      touch /v/x; touch /x; touch /tmp/x && echo tmp; grep -c " /mnt tmpfs .*size=1024k" /proc/mounts; head -c 3 /dev/nought | wc -c
      cat /proc/self/oom_score_adj; wc -c </proc/version; touch /n/x && echo volume'
  local want="B /home/user
/tmp
uid=1000(user) gid=1000(user) groups=55,1000(user)
0027
named
CapEff:	0000000000002000
CapBnd:	0000000000002000
NoNewPrivs:	1
Seccomp:	2
100
200
1
9000
shm 1024 0 1024 0% /dev/shm
from the host
touch: /v/x: Read-only file system
touch: /x: Read-only file system
tmp
1
3
77
0
volume"
  assert_eq "$out" "$want" "what is set"
  assert_eq "$(run --init=false --privileged --security-opt seccomp=unconfined box sh -c 'grep Seccomp: /proc/self/status; mount -t tmpfs x /mnt 2>&1; mkdir /q; mount -t tmpfs x /q && echo mounted' 2>/dev/null | tail -1)" mounted "privileged"
  assert_eq "$(run --device-cgroup-rule 'c 1:7 m' --cap-add mknod box sh -c 'mknod /tmp/null c 1 3 && echo made')" made
  assert_eq "$(run --personality LINUX32 --rootfs "$CASE_DIR/box" /bin/busybox uname -m)" i686 "a root of ours, another personality"
}

podman_namespaces() {
  gives 0 p run --rm --pid host --network host --ipc host --uts host box sh -c 'for n in pid net ipc uts; do readlink /proc/self/ns/$n; done'
  assert_eq "$out" "$(for n in pid net ipc uts; do readlink "/proc/self/ns/$n"; done)" "namespaces of the host"
  gives 0 run --uidmap 0:100000:5000 --gidmap 0:200000:5000 box sh -c 'cat /proc/self/uid_map /proc/self/gid_map | tr -s " "; id -u; ls -ldn /etc | tr -s " " | grep -o "root root\|0 0"'
  assert_eq "$out" $' 0 100000 5000\n 0 200000 5000\n0\n0 0' "a user namespace"
  p run -d --name first --network none box sleep 1000 >/dev/null
  gives 0 p run --rm --pid container:first --ipc container:first --network container:first box sh -c \
    'readlink /proc/1/exe; readlink /proc/self/ns/ipc; readlink /proc/self/ns/net'
  local pid
  pid=$(p inspect --format '{{.State.Pid}}' first)
  assert_eq "$out" "/bin/sleep
$(readlink "/proc/$pid/ns/ipc")
$(readlink "/proc/$pid/ns/net")" "namespaces of another container"
  p rm --force --time 0 first >/dev/null
  gives 0 p run --rm box ip addr # podman's own network
  assert_matches "$out" 'inet 10\.88\.0\.[0-9]+/16'
}

podman_life() {
  local pid cgroup
  p run -d --name d --network none --health-cmd 'test -e /tmp/well' --health-interval 0 box \
    sh -c 'trap "echo told to end; exit 3" TERM; echo started; while :; do sleep 0.05; done' >/dev/null
  pid=$(p inspect --format '{{.State.Pid}}' d)
  assert_contains "$(tr '\0' ' ' <"/proc/$pid/cmdline")" "sh -c trap" "the process that podman names"
  assert_eq "$(p inspect --format '{{.OCIRuntime}} {{.State.Status}}' d)" "slipway running"
  cgroup=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
  assert_eq "$(p inspect --format '{{.State.CgroupPath}}' d)" "${cgroup%/container}" "cgroup"
  gives 9 p exec -e X=Y -w /tmp -u user d sh -c 'echo $X; pwd; id -u; exit 9'
  assert_eq "$out" $'Y\n/tmp\n1000'
  gives 127 p exec d no-such-program
  gives 126 p exec d /etc
  gives 1 p healthcheck run d
  p exec -d d touch /tmp/well >/dev/null
  wait_for 10 "file of the detached process" p exec d ls /tmp/well
  gives 0 p healthcheck run d
  assert_eq "$(p exec --privileged d grep CapEff /proc/self/status)" "$(grep CapEff /proc/self/status)" "a privileged exec"
  gives 4 python3 "$LIB_DIR/pty_client.py" 24x80 'expect=# ' "send=$(when_size 24 80)\\n" 'expect=24 80' 'send=exit 4\n' -- "${PODMAN[@]}" exec -it d sh
  assert_contains "$(p top d pid args)" "1           sh -c trap"
  assert_matches "$(p stats --no-stream --format '{{.Name}} {{.PIDs}}' d)" '^d [12]$'
  p pause d >/dev/null
  assert_eq "$(state_of d) $(grep frozen "/sys/fs/cgroup$cgroup/cgroup.events")" "paused frozen 1"
  p unpause d >/dev/null
  assert_eq "$(state_of d)" running
  p update --memory 100m --cpus 0.5 d >/dev/null
  assert_eq "$(cat "/sys/fs/cgroup$cgroup/"{memory.max,pids.max,cpu.max})" $'104857600\n2048\n50000 100000' "limits after update"
  p stop -t 30 d >/dev/null
  assert_eq "$(p inspect --format '{{.State.Status}} {{.State.ExitCode}}' d)" "exited 3"
  assert_contains "$(p logs d)" "told to end"
  p start d >/dev/null
  p restart -t 30 d >/dev/null
  p kill -s KILL d >/dev/null
  assert_eq "$(p wait d)" 137
  p start d >/dev/null
  p rm --force --time 0 d >/dev/null
  gone "$(p inspect --format '{{.State.Pid}}' d 2>/dev/null || echo nobody)" || fail "a process is left"
  [[ -z $(slipway list -q) ]] || fail "slipway still has $(slipway list -q)"
  p create --name c --network none box sh -c 'echo begun; exit 5' >/dev/null
  p init c >/dev/null
  assert_eq "$(slipway list -q | wc -l)" 1
  assert_eq "$(state_of c)" initialized
  gives 5 p start --attach c
  assert_contains "$out" begun
  p rm c >/dev/null
}

# conmon's and podman's own cgroups lie beside the container's; a limit of podman's is one of its.
podman_limits() {
  assert_eq "$(run --memory 64m --memory-swap 96m --memory-reservation 32m --pids-limit 33 --cpus 0.5 --cpu-shares 1024 --cpuset-cpus 0 --device-read-bps "$(disk)":1mb box sh -c '
    cd /sys/fs/cgroup; cat memory.max memory.swap.max memory.low pids.max cpu.max cpu.weight cpuset.cpus; grep -o "rbps=[0-9]*" io.max')" \
    $'67108864\n33554432\n33554432\n33\n50000 100000\n100\n0\nrbps=1048576' "limits"
  gives 137 run --memory 16m box sh -c 'a=x; while :; do a=$a$a; done' # podman 4.3 says OOMKilled of no runtime's containers here
}

# A disk that io.max takes.
disk() { find /dev -maxdepth 1 -name 'vda'; }

podman_pod() {
  local infra
  p pod create --name pod --network none --share net,ipc,uts,pid --infra-image box --infra-command 'sleep 1000' >/dev/null
  p run -d --pod pod --name one box sleep 1000 >/dev/null
  gives 0 p run --rm --pod pod box sh -c 'for n in net ipc uts pid; do readlink /proc/self/ns/$n; done; ps | grep -c "sleep 100[0]"'
  infra=$(p inspect --format '{{.State.Pid}}' "$(p pod inspect --format '{{.InfraContainerID}}' pod)")
  assert_eq "$out" "$(for n in net ipc uts pid; do readlink "/proc/$infra/ns/$n"; done)"$'\n2' "namespaces of the pod"
  p pod pause pod >/dev/null
  assert_eq "$(state_of one)" paused
  p pod unpause pod >/dev/null
  assert_eq "$(state_of one)" running
  p pod stop -t 0 pod >/dev/null
  p pod rm pod >/dev/null
  [[ -z $(slipway list -q) ]] || fail "slipway still has $(slipway list -q)"
}

podman_without_cgroups() {
  assert_eq "$(run --cgroups disabled --cgroupns host box cat /proc/self/cgroup)" "$(cat /proc/self/cgroup)" "the caller's cgroup"
  assert_eq "$(run --cgroups no-conmon box cat /proc/self/cgroup)" 0::/
}
