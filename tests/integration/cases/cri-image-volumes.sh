#!/bin/bash
# Image volumes: merged layers and single ones, parts of them, in pods with a user namespace too; kill -9 in the middle leaves nothing.
# timeout: 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
mkdir -p "$CNI_CONF"
start_slipwayd
busybox=$(pull busybox)
layers=$(pull layers)
host='.linux.security_context.namespace_options.network = "NODE"'
volume() { # IMAGE PATH [SUB_PATH]: a mount
  echo "{container_path: \"$2\", readonly: true, image: {image: \"$1\"}, image_sub_path: \"${3:-}\"}"
}
look='cd /v && find . | sort | wc -l; cat etc/replaced /part/newest /file; ls /part | wc -l; cat links/absolute 2>/dev/null || echo nowhere; stat -c %u:%g kept kept/data /v'
mounts=".mounts = [$(volume "$layers" /v t), $(volume "$layers" /part t/hidden), $(volume "$layers" /file t/links/absolute), $(volume "$layers" /whole), $(volume "$busybox" /one bin)]"

pod=$(run_pod plain "$host")
run_to_end plain "$pod" look "$busybox" "$host | $mounts" sh -c "$look; ls /one/busybox; touch /v/x /part/x 2>&1 | grep -c Read-only" >/dev/null
seen=$(log_of plain look)
lines=$(($(wc -l <"$(dirname "$0")/../layers.expected")))
assert_eq "$(head -1 <<<"$seen")" "$lines" "files of the merged layers"
assert_eq "$(tail -n +2 <<<"$seen")" "$(printf 'newnewestlinked1\nnowhere\n10:20\n1000:1001\n0:0\n/one/busybox\n2')" "what a container sees of images"

# In a user namespace the images' ids are the pod's.
map='[{host_id: 200000, container_id: 0, length: 65536}]'
users=".linux.security_context.namespace_options |= (.userns_options = {mode: \"POD\", uids: $map, gids: $map} | .pid = \"POD\")"
cni_network
mapped=$(run_pod mapped "$users")
run_to_end mapped "$mapped" look "$busybox" "$users | $mounts" sh -c "$look; ls /one/busybox; stat -c %u /part/newest /file /one/busybox" >/dev/null
assert_eq "$(log_of mapped look)" "$(printf '%s\nnewnewestlinked1\nnowhere\n10:20\n1000:1001\n0:0\n/one/busybox\n0\n0\n0' "$lines")" "what a container of mapped ids sees"
assert_eq "$(find "$CASE_DIR/root/images/layers" -uid 200000 | wc -l)" 0 "files of layers with mapped ids"

# A part that is not there, in each kind of pod and image; the kubelet reads the first word.
for image in "$layers" "$busybox"; do
  assert_fails "ImageVolumeMountFailed: the image volume at '/v': sub path: " create plain "$pod" bad "$busybox" "$host | .mounts = [$(volume "$image" /v no/such)]" true
  assert_fails "ImageVolumeMountFailed: the image volume at '/v': sub path: " create mapped "$mapped" bad "$busybox" "$users | .mounts = [$(volume "$image" /v no/such)]" true
done

# slipwayd is killed: the volumes stay, a removed image's layers too, until the container goes.
id=$(started plain "$pod" stays "$busybox" "$host | $mounts" sleep 1000)
cri RemoveImage "{\"image\": {\"image\": \"$layers\"}}"
before=$(ls "$CASE_DIR/root/images/layers")
kill_slipwayd
start_slipwayd
assert_eq "$(ls "$CASE_DIR/root/images/layers")" "$before" "layers after kill -9"
assert_eq "$(status "$id" mounts[0].image.image_ref)" "$layers" "the image in the status"
assert_eq "$(exec_out "$id" cat /v/etc/replaced /part/newest)" newnewest
for each in $(cri ListContainers '{}' | jq -r '.containers[].id'); do remove_container "$each"; done
after=$(ls "$CASE_DIR/root/images/layers")
[[ $(wc -l <<<"$after") -lt $(wc -l <<<"$before") ]] || fail "the layers of a removed image stay"
remove_pod "$mapped"
remove_pod "$pod"
