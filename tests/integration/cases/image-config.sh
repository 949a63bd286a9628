#!/bin/bash
# What an image's configuration says is what a container of it is: program, arguments, environment, directory, user, stop signal, volumes.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=SCRIPTDIR/../cri.sh
. "$LIB_DIR/cri.sh"

start_registry http
start_slipwayd
for name in config users; do slipctl pull "$(image "$name")" >/dev/null; done
host='.linux.security_context.namespace_options.network = "NODE"'
pod=$(run_pod images "$host")

# output POD_CONTAINER_NAME: what it wrote.
output() { cut -d' ' -f4- "$CASE_DIR/logs/images/$1.log"; }

# Nothing of the request replaces anything of the image.
id=$(run_to_end images "$pod" plain "$(image config)" "del(.command) | $host")
said=$(output plain)
for line in 'args=entry one two words' pwd=/work ids=33:33:33 FROM_IMAGE=yes EMPTY= PATH=/usr/local/bin:/bin; do
  grep -qxF "$line" <<<"$said" || fail "no line '$line' in: $said"
done
assert_eq "$(status "$id" stop_signal)" SIGNAL_SIGUSR1 "stop signal"
assert_eq "$(status "$id" user.linux.uid)" 33 "uid in the status"

# args alone replace the image's Cmd, command replaces both.
run_to_end images "$pod" args "$(image config)" "del(.command) | .args = [\"three\"] | $host" >/dev/null
assert_contains "$(output args)" 'args=entry three'
run_to_end images "$pod" command "$(image config)" "$host" sh -c 'stat -c "%F %a %u:%g" /data; pwd' >/dev/null
assert_eq "$(output command)" $'directory 755 0:0\n/work' "VOLUME and WorkingDir"

# A user by name, its groups from the image's own files.
run_to_end images "$pod" users "$(image users)" "$host" id >/dev/null
assert_contains "$(output users)" 'uid=1000(default-user) gid=1000(default-user)'
assert_contains "$(output users)" '50000(group-defined-in-image)'

cri StopPodSandbox "{\"pod_sandbox_id\": \"$pod\"}" >/dev/null
cri RemovePodSandbox "{\"pod_sandbox_id\": \"$pod\"}" >/dev/null
for name in config users; do slipctl rmi "$(image "$name")" >/dev/null; done
