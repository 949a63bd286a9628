#!/bin/bash
# Checkpoints of containers: the archive's parts, the container goes on, its images restore; time-outs, kills and refusals leave nothing.
# timeout: 400
# seconds: 60
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
start_slipwayd
busybox=$(pull busybox)
criu=$(command -v criu)
checkpoint() { # CONTAINER LOCATION [TIMEOUT]
  cri CheckpointContainer "{\"container_id\": \"$1\", \"location\": \"$2\", \"timeout\": \"${3:-0}\"}" >/dev/null
}
pid_of() { cri ContainerStatus "{\"container_id\": \"$1\", \"verbose\": true}" | jq -r '.info | to_entries[] | .value' | grep -oE '"pid": ?[0-9]+' | grep -oE '[0-9]+' | head -1; }
scratch() { find "$CASE_DIR/root/images/containers" -maxdepth 2 -name checkpoint; }
frozen() { grep -q '^frozen 1' /sys/fs/cgroup"$(cut -d: -f3 "/proc/$(pid_of "$1")/cgroup")"/cgroup.events; }
mkdir -p "$CASE_DIR/volume" "$CASE_DIR/out"
out=$CASE_DIR/out

# Files made, changed, deleted; a hole; a name of many bytes; numbers in memory that go on.
pod=$(run_pod steady)
change='mkdir -p /made/deep; echo new >/made/deep/file; echo changed >>/etc/passwd; rm /etc/group; ln /made/deep/file /made/again; ln -s file /made/deep/link; mkfifo /made/pipe
  n=$(printf %0200d 7); echo long >/made/$n; truncate -s 1G /made/hole; echo end >>/made/hole; rm -r /usr/share/udhcpc 2>/dev/null; chmod 4711 /made/again'
id=$(started steady "$pod" counter "$busybox" ".mounts = [{container_path: \"/v\", host_path: \"$CASE_DIR/volume\"}]" \
  sh -c "$change; i=0; while :; do i=\$((i+1)); echo \$i; echo \$i >/v/count; sleep 0.1; done")
wait_for 30 "first numbers" test -s "$CASE_DIR/volume/count"
before=$(pid_of "$id")
checkpoint "$id" "$out/archive.tar"
at=$(cat "$CASE_DIR/volume/count")
assert_eq "$(pid_of "$id")" "$before" "its process"
passed() { (($(cat "$CASE_DIR/volume/count" || echo 0) > at + 3)); }
wait_for 30 "further numbers" passed
assert_eq "$(stat -c %a "$out/archive.tar")" 600 "the archive's mode"
assert_eq "$(scratch)" "" "what a checkpoint leaves"

mkdir "$out/archive" && tar -C "$out/archive" -xf "$out/archive.tar"
for part in config.dump spec.dump rootfs-diff.tar deleted.files dump.log checkpoint/inventory.img checkpoint/descriptors.json; do
  [[ -s $out/archive/$part ]] || fail "the archive has no $part"
done
assert_eq "$(jq -r '.id, .name, .runtime, .rootfsImage' "$out/archive/config.dump" | paste -sd' ')" "$id counter slipway $busybox" config.dump
assert_eq "$(jq -r '.annotations["io.kubernetes.cri.sandbox-name"]' "$out/archive/spec.dump")" steady "the pod in spec.dump"
assert_contains "$(jq -r '.[]' "$out/archive/deleted.files")" /etc/group deleted.files
mkdir "$out/diff" && tar -C "$out/diff" -xf "$out/archive/rootfs-diff.tar"
assert_eq "$(cat "$out/diff/made/deep/file" "$out/diff/made/deep/link" "$out/diff/made/$(printf %0200d 7)"; tail -1 "$out/diff/etc/passwd")" "$(printf 'new\nnew\nlong\nchanged')" "new and changed files"
assert_eq "$(stat -c '%h %a' "$out/diff/made/again")" "2 4711" "a file with two names"
assert_eq "$(stat -c '%F' "$out/diff/made/pipe")" fifo
assert_eq "$(stat -c %s "$out/diff/made/hole") $(tail -c 4 "$out/diff/made/hole")" "$((1024 * 1024 * 1024 + 4)) end" "a file with a hole"
assert_le "$(stat -c %s "$out/archive/rootfs-diff.tar")" 2000000 "bytes of the changes"

# The images are whole: the same process goes on from them, in the pod's namespaces, once the first one has ended.
stop_container "$id" 0
mkdir -p "$out/bundle/rootfs"
lower=$(cri ContainerStatus "{\"container_id\": \"$id\", \"verbose\": true}" >/dev/null; tac <(cat "$CASE_DIR/root/images/containers/$id/layers") | sed -n "/./s|.*|$CASE_DIR/root/images/layers/&/fs|p" | paste -sd:)
mkdir "$out/upper" "$out/work"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$out/upper,workdir=$out/work" "$out/bundle/rootfs" && at_exit umount "$out/bundle/rootfs"
tar -C "$out/bundle/rootfs" --overwrite -xf "$out/archive/rootfs-diff.tar"
jq '.root.path = "rootfs" | .linux.cgroupsPath = "/restored"' "$out/archive/spec.dump" >"$out/bundle/config.json"
rm -f "$CASE_DIR/volume/count"
slipway restore --detach --bundle "$out/bundle" --image-path "$out/archive/checkpoint" --work-path "$out" restored </dev/null >"$out/restored.log" 2>&1 ||
  fail "restore: $(cat "$out/restored.log"; tail -5 "$out/restore.log")"
at_exit slipway delete --force restored
wait_for 30 "numbers after the restore" test -s "$CASE_DIR/volume/count"
slipway kill restored KILL
remove_container "$id"

# Terminals, user namespaces, a shared PID namespace.
tty=$(started steady "$pod" tty "$busybox" '.tty = true | .stdin = true' sh -c 'while :; do sleep 1; done')
checkpoint "$tty" "$out/tty.tar"
map='[{host_id: 200000, container_id: 0, length: 65536}]'
users=".linux.security_context.namespace_options |= (.userns_options = {mode: \"POD\", uids: $map, gids: $map} | .pid = \"POD\")"
mapped=$(run_pod mapped "$users")
user=$(started mapped "$mapped" user "$busybox" "$users" sh -c 'echo x >/made; while :; do sleep 1; done')
if ! checkpoint "$user" "$out/user.tar" 2>"$out/user.err"; then echo "a pod with a user namespace: $(cat "$out/user.err")"; fi
assert_eq "$(status "$user" state) $(status "$tty" state)" "CONTAINER_RUNNING CONTAINER_RUNNING"

# Refused: by name, with nothing made.
created=$(create steady "$pod" created "$busybox" . sleep 1000)
assert_fails "FAILED_PRECONDITION" checkpoint "$created" "$out/no.tar"
assert_fails "NOT_FOUND" checkpoint 0123456789abcdef "$out/no.tar"
assert_fails "location: 'no.tar' is not an absolute path" checkpoint "$tty" no.tar
assert_fails "location: open" checkpoint "$tty" "$out/none/no.tar"
crictl=$(dirname "$SLIPWAY_BIN")/../tools/crictl
if [[ -x $crictl ]]; then
  "$crictl" --runtime-endpoint "unix://$SOCKET" checkpoint --export="$out/crictl.tar" "$tty"
  tar -tf "$out/crictl.tar" | grep '^config.dump$' >/dev/null
fi

# No criu; one that never answers: the time ends it, the container is not left frozen.
with_criu() {
  stop_slipwayd
  printf '[programs]\ncriu = "%s"\n' "$1" >"$CASE_DIR/config.toml"
  start_slipwayd --config "$CASE_DIR/config.toml"
}
with_criu "$CASE_DIR/absent"
assert_fails "absent' is no program" checkpoint "$tty" "$out/no.tar"
printf '#!/bin/sh\ntouch %s/begun\nexec sleep 1000\n' "$CASE_DIR" >"$CASE_DIR/slow-criu" && chmod +x "$CASE_DIR/slow-criu"
with_criu "$CASE_DIR/slow-criu"
assert_fails "DEADLINE_EXCEEDED" checkpoint "$tty" "$out/no.tar" 1
frozen "$tty" && fail "frozen after a time-out"
assert_eq "$(scratch)$(compgen -G "$out/no.tar*" || true)" "" "what a time-out leaves"

# kill -9 of slipwayd: the fork ends by itself. kill -9 of the fork: the monitor clears up.
rm "$CASE_DIR/begun"
checkpoint "$tty" "$out/no.tar" 2 2>/dev/null &
wait_for 30 "criu" test -e "$CASE_DIR/begun"
kill_slipwayd
no_scratch() { [[ -z $(scratch) ]]; }
wait_for 60 "the fork's end" no_scratch
start_slipwayd --config "$CASE_DIR/config.toml"
frozen "$tty" && fail "frozen after kill -9 of slipwayd"
rm "$CASE_DIR/begun"
checkpoint "$tty" "$out/no.tar" 100 2>"$out/killed.err" &
call=$!
wait_for 30 "criu" test -e "$CASE_DIR/begun"
sleeper=$(pgrep -f '^sleep 1000$' -u 0 | while read -r p; do [[ $(readlink "/proc/$p/exe") == */bin/* ]] && grep -q slipway-monitor "/proc/$p/cgroup" && echo "$p"; done | head -1)
fork=$(awk '{print $4}' "/proc/$sleeper/stat")
kill -KILL "$fork" "$sleeper"
wait "$call" || true
assert_contains "$(cat "$out/killed.err")" "ended without a word" "the call whose fork was killed"
wait_for 30 "what the fork left to be gone" no_scratch
frozen "$tty" && fail "frozen after kill -9 of the fork"
assert_eq "$(compgen -G "$out/no.tar*" || true)" ""
with_criu "$criu"
checkpoint "$tty" "$out/tty.tar" # over the one that is there
exec_out "$tty" true
remove_pod "$pod"
remove_pod "$mapped"
