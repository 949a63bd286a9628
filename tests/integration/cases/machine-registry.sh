#!/bin/bash
# The machine itself: the test registry serves every image, over HTTP and under real names over HTTPS, as containerd reads them.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

start_registry http https
for name in busybox nginx layers config users debian multiarch; do
  curl -fsS -o /dev/null "http://$REGISTRY/v2/slipway/$name/manifests/latest" \
    -H 'Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json'
done
assert_contains "$(curl -fsS https://registry.k8s.io/v2/pause/tags/list)" '"3.10"' "tags of pause"
index=$(curl -fsS https://public.ecr.aws/v2/docker/library/busybox/manifests/1 -H 'Accept: application/vnd.oci.image.index.v1+json')
assert_eq "$(jq -r '.manifests[0].platform.architecture' <<<"$index")" s390x "the decoy comes first"

# Another runtime's unpacking of the oddest image agrees with what we expect of ours.
containerd --root "$CASE_DIR/containerd" --state "$CASE_DIR/state" --address "$CASE_DIR/containerd.sock" >"$CASE_DIR/log" 2>&1 &
server=$!
export CONTAINERD_ADDRESS=$CASE_DIR/containerd.sock
wait_for 30 "answer of containerd" ctr version
ctr images pull --plain-http "$(image layers)" >/dev/null
mkdir "$CASE_DIR/mounted"
ctr images mount "$(image layers)" "$CASE_DIR/mounted" >/dev/null
"$GUEST/tree-list" "$CASE_DIR/mounted/t" | diff "$LIB_DIR/layers.expected" -
ctr images unmount "$CASE_DIR/mounted" >/dev/null
kill "$server"
wait "$server" || true
