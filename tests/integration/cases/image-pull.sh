#!/bin/bash
# slipway-image against the test registry: odd layers unpacked as overlayfs shows them, names and certificates of real registries,
# archives, confinement, and a worker killed at any point.
# seconds: 40
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

STORE=$CASE_DIR/store
start_registry http https

pull() { slipway-image pull --root "$STORE" "$@" | tail -n 1; }
layers_of() { jq -r '.result.images[0].layers | reverse | .[]' <<<"$1"; }

# Devices, set-id bits, capabilities, links, whiteouts, opaque folders, folders nobody described: all as expected of containerd too.
result=$(pull "$(image layers)")
lower=$(layers_of "$result" | sed "s|.*|$STORE/layers/&/fs|" | paste -sd:)
mkdir "$CASE_DIR/mounted"
mount -t overlay -o "ro,lowerdir=$lower" case "$CASE_DIR/mounted"
at_exit umount "$CASE_DIR/mounted"
"$GUEST/tree-list" "$CASE_DIR/mounted/t" | diff "$LIB_DIR/layers.expected" -

# Real names over HTTPS, by the system's certificates; the platform out of an index whose first entry is another's.
assert_contains "$(pull registry.k8s.io/pause:3.10)" '"names":["registry.k8s.io/pause:3.10"]'
assert_contains "$(pull public.ecr.aws/docker/library/busybox:1)" '"result"'
assert_contains "$(pull "$(image multiarch-docker)")" '"result"'

# What is not there, and what is not a name.
assert_contains "$(pull "$REGISTRY/slipway/absent" || true)" '"code":5'
assert_contains "$(pull 'Not a name' || true)" '"code":3'
assert_contains "$(pull 127.0.0.1:9/x || true)" '"code":14'

for archive in docker.tar oci.tar oci; do
  loaded=$(slipway-image load --root "$STORE" "$SLIPWAY_IMAGES/load/$archive" | tail -n 1)
  assert_contains "$loaded" '"names":["slipway.test/loaded/' "$archive"
done

# While it works: seven capabilities, no new privileges, a filter.
slipway-image pull --root "$CASE_DIR/other" "$(image debian)" >/dev/null &
worker=$!
wait_for 30 "confinement" grep -q '^Seccomp:.2' "/proc/$worker/status"
assert_matches "$(cat "/proc/$worker/status")" $'CapEff:\t000000008820001b'
assert_matches "$(cat "/proc/$worker/status")" $'NoNewPrivs:\t1'
wait "$worker"

# Killed again and again, the store never takes half a layer for a whole one, and at the end nothing is left over.
want=$(pull "$(image debian)")
for delay in 0.05 0.1 0.2 0.3 0.5 0.8; do
  slipway-image pull --root "$CASE_DIR/crashed" "$(image debian)" >/dev/null &
  worker=$!
  sleep "$delay"
  kill -KILL "$worker" 2>/dev/null || true
  wait "$worker" 2>/dev/null || true
done
assert_eq "$(slipway-image pull --root "$CASE_DIR/crashed" "$(image debian)" | tail -n 1)" "$want" "the result after crashes"
assert_eq "$(find "$CASE_DIR/crashed/layers" -mindepth 1 -maxdepth 1 | grep -vcE '/[0-9a-f]{64}$' || true)" 0 "rubbish"
for layer in $(layers_of "$want"); do
  diff -r --no-dereference -x '*null*' -x '*fifo*' "$STORE/layers/$layer" "$CASE_DIR/crashed/layers/$layer"
done
