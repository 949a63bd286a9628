# shellcheck shell=bash
# --here: the same command on this host, when it is one that a container runtime can live on.

run_here() {
  [[ $# -gt 0 ]] || die "--here needs a command"
  local missing
  missing=$(missing_here)
  [[ -z $missing ]] || die "this host cannot run it with --here: $missing"
  # run-cases' own name for where results go.
  if [[ -n $RESULTS ]]; then
    mkdir -p "$RESULTS"
    RESULTS=$(realpath "$RESULTS")
    export RESULTS
  else
    unset RESULTS
  fi
  # Inside a test VM the images are there already.
  if [[ -z ${SLIPWAY_IMAGES:-} ]]; then
    IMAGES=$(images_disk)
    export SLIPWAY_IMAGES=${IMAGES%.img}
  fi
  export SLIPWAY_PROJECT=$PROJECT_DIR SLIPWAY_PRESET=$PRESET
  [[ ${SLIPWAY_VM:-} == 1 ]] || export SLIPWAY_ON_HOST=1 # guest/probe spares what is not ours
  export SLIPWAY_BIN=$BUILD_DIR/$PRESET/bin SLIPWAY_TESTS=$BUILD_DIR/$PRESET/tests
  export PATH=$SLIPWAY_BIN:$PATH:$BUILD_DIR/tools
  cd "$PROJECT_DIR" || exit 1
  [[ ${SLIPWAY_ON_HOST:-} == 1 ]] || exec "$@"
  exec unshare --mount --propagation private -- bash -c "$TRUSTING" trusting "$@"
}

# The names of the test registries and the CA that vouches for them, in a mount namespace of the command's own: the host's files stay
# as they are, and what the command mounts ends with it. Shared, since that is how runtimes and CSI drivers find a host's mounts.
# shellcheck disable=SC2016  # the inner shell expands it
TRUSTING='set -eu
mount --make-rshared /
own=$(mktemp -d)
mount -t tmpfs -o mode=755 own "$own"
cat /etc/hosts "$SLIPWAY_IMAGES/hosts" >"$own/hosts"
cp -a /etc/ssl/certs "$own/certs"
cat "$SLIPWAY_IMAGES/ca/ca.crt" >>"$own/certs/ca-certificates.crt"
cp "$SLIPWAY_IMAGES/ca/ca.crt" "$own/certs/$(cat "$SLIPWAY_IMAGES/ca/hash").0"
mount --bind "$own/hosts" /etc/hosts
mount --bind "$own/certs" /etc/ssl/certs
umount -l "$own"
rmdir "$own"
exec "$@"'

# What the tests call and a bare host may lack: program and Debian package.
HERE_TOOLS=(/usr/lib/cni/bridge=containernetworking-plugins nft=nftables iptables=iptables ip=iproute2
  docker-registry=docker-registry gojq=gojq curl=curl)

# One sentence, or nothing when nothing is missing.
missing_here() {
  local controllers name
  if [[ $EUID -ne 0 ]]; then
    echo "it needs root"
    return
  fi
  if [[ $(stat -f -c %T /sys/fs/cgroup) != cgroup2fs ]]; then
    echo "/sys/fs/cgroup is not a pure cgroup v2 mount"
    return
  fi
  controllers=" $(</sys/fs/cgroup/cgroup.controllers) "
  for name in cpu cpuset io memory pids; do
    [[ $controllers == *" $name "* ]] || { echo "cgroup v2 has no $name controller here" && return; }
  done
  for name in "${HERE_TOOLS[@]}"; do
    command -v "${name%%=*}" >/dev/null || { echo "Debian's package ${name#*=} is missing" && return; }
  done
}
