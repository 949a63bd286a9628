#!/bin/bash
# The machine itself: Debian's CNI plugins give a namespace an address, and take it back with nothing left.
# shellcheck source=SCRIPTDIR/../lib.sh
. "$(dirname "$0")/../lib.sh"

cni_network 10.89.0.0/24
export CNI_CONTAINERID=case CNI_NETNS=/run/netns/case CNI_IFNAME=eth0 CNI_PATH=$CNI_BIN

# plugin VERB TYPE PREVIOUS_RESULT
plugin() {
  jq -c --arg type "$2" --argjson previous "$3" '{cniVersion, name} + (.plugins[] | select(.type == $type))
    + (if $previous then {prevResult: $previous} else {} end)
    + (if $type == "portmap" then {runtimeConfig: {portMappings: [{hostPort: 8080, containerPort: 80, protocol: "tcp"}]}} else {} end)' \
    "$CNI_CONF/10-case.conflist" | CNI_COMMAND=$1 "$CNI_BIN/$2"
}

ip netns add case
result=$(plugin ADD bridge null)
plugin ADD portmap "$result" >/dev/null
address=$(jq -r '.ips[0].address' <<<"$result")
assert_matches "$address" '^10\.89\.0\.[0-9]+/24$' "address"
mkdir "$CASE_DIR/www"
echo hello >"$CASE_DIR/www/index.html"
ip netns exec case busybox httpd -f -p 80 -h "$CASE_DIR/www" &
server=$!
wait_for 10 "answer from the namespace" curl -fsS "http://${address%/*}/"
assert_eq "$(curl -fsS "http://${address%/*}/")" hello "page from the namespace"
assert_eq "$(curl -fsS http://192.0.2.1:8080/)" hello "page through the mapped port"
kill "$server"
wait "$server" || true
plugin DEL portmap "$result"
plugin DEL bridge "$result"
ip netns del case
