# shellcheck shell=bash
# CRI calls for integration cases: on lib.sh, through cri_call. Requests are JSON with proto field names.

# cri METHOD [JSON]: the reply as JSON.
cri() { "$SLIPWAY_TESTS/cri_call" "unix://$SOCKET" "$@"; }

# pod_config NAME [JQ]: a PodSandboxConfig, changed by the filter JQ.
pod_config() {
  jq -n --arg name "$1" --arg logs "$CASE_DIR/logs/$1" '{metadata: {name: $name, namespace: "default", uid: "uid-\($name)"}, hostname: $name,
    log_directory: $logs, labels: {app: $name}, annotations: {note: "kept as sent"}, linux: {security_context: {namespace_options: {pid: "CONTAINER"}}}}' |
    jq "${2:-.}"
}

# run_pod NAME [JQ]: its id.
run_pod() {
  mkdir -p "$CASE_DIR/logs/$1"
  cri RunPodSandbox "$(jq -n --argjson config "$(pod_config "$@")" '{config: $config}')" | jq -r .pod_sandbox_id
}

# create POD_NAME POD_ID NAME IMAGE JQ COMMAND…: a container's id; JQ changes its ContainerConfig.
create() {
  local pod_name=$1 pod=$2 name=$3 image=$4 filter=$5
  shift 5
  cri CreateContainer "$(jq -n --arg pod "$pod" --argjson sandbox "$(pod_config "$pod_name")" --arg name "$name" --arg image "$image" \
    '{pod_sandbox_id: $pod, sandbox_config: $sandbox, config: {metadata: {name: $name}, image: {image: $image}, command: $ARGS.positional,
      log_path: "\($name).log", labels: {container: $name},
      linux: {security_context: {namespace_options: {pid: "CONTAINER"}, seccomp: {profile_type: "RuntimeDefault"}}}}}' --args -- "$@" |
    jq ".config |= ($filter)")" | jq -r .container_id
}

start() { cri StartContainer "{\"container_id\": \"$1\"}" >/dev/null; }

# started …: as create, and started.
started() {
  local id
  id=$(create "$@")
  start "$id"
  echo "$id"
}

# status CONTAINER FIELD
status() { cri ContainerStatus "{\"container_id\": \"$1\"}" | jq -r ".status.$2"; }

exited() { [[ $(status "$1" state) == CONTAINER_EXITED ]]; }

# run_to_end …: as create; started and waited for. Its id.
run_to_end() {
  local id
  id=$(started "$@")
  wait_for 60 "end of $3" exited "$id"
  echo "$id"
}

# exec_sync CONTAINER COMMAND…: the reply.
exec_sync() {
  local id=$1
  shift
  cri ExecSync "$(jq -n --arg id "$id" '{container_id: $id, cmd: $ARGS.positional, timeout: 60}' --args -- "$@")"
}

exec_out() { exec_sync "$@" | jq -r .stdout | base64 -d; }

stop_container() { cri StopContainer "{\"container_id\": \"$1\", \"timeout\": \"${2:-10}\"}" >/dev/null; }
remove_container() { cri RemoveContainer "{\"container_id\": \"$1\"}" >/dev/null; }
stop_pod() { cri StopPodSandbox "{\"pod_sandbox_id\": \"$1\"}" >/dev/null; }
remove_pod() { cri RemovePodSandbox "{\"pod_sandbox_id\": \"$1\"}" >/dev/null; }

pull() { cri PullImage "$(jq -n --arg image "$(image "$1")" '{image: {image: $image}}')" | jq -r .image_ref; }

# log_of POD_NAME NAME: the lines of a container's log without time, stream and tag.
log_of() { sed -E 's/^[^ ]+ (stdout|stderr) [FP][^ ]* //' "$CASE_DIR/logs/$1/$2.log"; }
