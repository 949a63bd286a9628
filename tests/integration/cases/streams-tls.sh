#!/bin/bash
# Exec, attach and port-forward by TLS: slipctl, crictl where there is one, and a client of our own; with certificates of clients; rotated.
# timeout: 300
# seconds: 40
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../cri.sh"
start_registry
cni_network
tls=$CASE_DIR/tls
mkdir -p "$tls"

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$tls/$1.key" -out "$tls/$1.pem" 2>/dev/null
}
# certify AUTHORITY NAME: certificate and key in one file, moved into its place.
certify() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$tls/new.key" -out "$tls/new.csr" 2>/dev/null
  openssl x509 -req -in "$tls/new.csr" -CA "$tls/$1.pem" -CAkey "$tls/$1.key" -CAcreateserial -days 2 \
    -extfile <(echo 'subjectAltName = IP:127.0.0.1, DNS:localhost') 2>/dev/null | cat - "$tls/new.key" >"$tls/new.pem"
  mv "$tls/new.pem" "$tls/$2.pem"
}
configure() { printf '[streaming]\ntls_certificate = "%s"\ntls_key = "%s"\n%s\n' "$tls/server.pem" "$tls/server.pem" "${1:-}" >"$CASE_DIR/config.toml"; }
exec_url() { cri Exec "$(jq -n --arg id "$c" '{container_id: $id, cmd: $ARGS.positional, stdout: true, stderr: true}' --args -- "$@")" | jq -r .url; }
stream() { "$LIB_DIR/stream_client.py" "$@"; }

authority server-ca
authority client-ca
certify server-ca server
certify client-ca client
configure
start_slipwayd --config "$CASE_DIR/config.toml"
busybox=$(pull busybox)
pod=$(run_pod web)
c=$(started web "$pod" main "$busybox" '.stdin = true' sh -c 'nc -ll -p 8080 -e cat & while read line; do echo "got $line"; done')

echo "$SECONDS s: https, and nothing in the clear"
url=$(exec_url true)
assert_matches "$url" '^https://127\.0\.0\.1:[0-9]+/exec/[A-Za-z0-9_-]{43}$'
assert_fails "" curl -s "http${url#https}"
assert_fails "" curl -s --cacert "$tls/client-ca.pem" "$url"
assert_fails "" curl -s --cacert "$tls/server-ca.pem" --tls-max 1.1 "$url"
assert_eq "$(curl -s --cacert "$tls/server-ca.pem" --tlsv1.3 -o /dev/null -w '%{http_code}' "$url")" 400 "no upgrade"

for by in spdy websocket; do
  echo "$SECONDS s: our own client by $by: exec, much of it, port-forward"
  gives 7 stream --ca "$tls/server-ca.pem" "$by" command "$(exec_url sh -c 'echo o; echo e >&2; exit 7')"
  assert_eq "$(sort <<<"$out")" "$(printf 'e\no')"
  assert_eq "$(stream --ca "$tls/server-ca.pem" "$by" command "$(exec_url head -c 3000000 /dev/zero)" | wc -c)" 3000000
  forward=$(cri PortForward "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .url)
  assert_eq "$(stream --ca "$tls/server-ca.pem" "$by" forward "$forward" 8080 first second)" "$(printf 'first\nsecond')" "port-forward by $by"
done

echo "$SECONDS s: slipctl exec -it, exec -i, attach: it trusts the certificate that slipwayd is configured with"
gives 3 "$LIB_DIR/pty_client.py" 33x99 'expect=/ #' 'send=stty size\r' 'expect=33 99' 'send=exit 3\r' -- slipctl exec -it main sh
head -c 2000000 /dev/urandom >"$CASE_DIR/file"
assert_eq "$(slipctl exec -i main cat <"$CASE_DIR/file" | sha256sum)" "$(sha256sum <"$CASE_DIR/file")" "a file through cat"
gives 130 "$LIB_DIR/pty_client.py" 24x80 'send=hello\r' 'expect=got hello' 'send=\x03' -- slipctl attach main
assert_eq "$(slipctl --tls-ca "$tls/server-ca.pem" exec -i main echo by the authority </dev/null)" "by the authority"
gives 125 slipctl --tls-ca "$tls/client-ca.pem" exec -i main true </dev/null
assert_contains "$out" "TLS to 127.0.0.1"

if command -v crictl >/dev/null; then
  printf 'timeout: 60\n' >"$CASE_DIR/crictl.yaml"
  crictl_tls=(--tls-ca "$tls/server-ca.pem" --tls-cert "$tls/client.pem" --tls-key "$tls/client.pem") # crictl wants a pair, asked for or not
  export CRI_CONFIG_FILE=$CASE_DIR/crictl.yaml CONTAINER_RUNTIME_ENDPOINT=unix://$SOCKET IMAGE_SERVICE_ENDPOINT=unix://$SOCKET
  for by in spdy websocket; do
    echo "$SECONDS s: crictl exec -it by $by"
    assert_eq "$(printf 'a\nb\n' | crictl exec -i "${crictl_tls[@]}" --transport "$by" "$c" wc -l)" 2
    gives 0 "$LIB_DIR/pty_client.py" 33x99 'expect=/ #' "send=$(when_size 33 99)\\r" 'expect=33 99' 'send=exit\r' -- \
      crictl exec -it "${crictl_tls[@]}" --transport "$by" "$c" sh
  done
fi

echo "$SECONDS s: a session goes on while the certificate changes; the next connection meets the new one"
slipctl exec -i main sh -c 'echo up; read line; echo "still $line"' < <(
  until [[ -e $CASE_DIR/changed ]]; do sleep 0.1; done
  echo there
) >"$CASE_DIR/session" &
session=$!
wait_for 20 "the session" grep -q up "$CASE_DIR/session"
address=${url#https://}
serial() { openssl s_client -connect "${address%%/*}" </dev/null 2>/dev/null | openssl x509 -noout -serial; }
before=$(serial)
certify server-ca server
[[ $(serial) != "$before" ]] || fail "the old certificate is still shown"
touch "$CASE_DIR/changed"
wait "$session"
assert_eq "$(cat "$CASE_DIR/session")" "$(printf 'up\nstill there')"

echo "$SECONDS s: with authorities for clients"
stop_slipwayd
configure "tls_client_ca = \"$tls/client-ca.pem\""
start_slipwayd --config "$CASE_DIR/config.toml"
gives 98 stream --ca "$tls/server-ca.pem" spdy command "$(exec_url true)"
assert_contains "$out" "certificate required"
gives 98 stream --ca "$tls/server-ca.pem" --cert "$tls/server.pem" spdy command "$(exec_url true)"
gives 0 stream --ca "$tls/server-ca.pem" --cert "$tls/client.pem" spdy command "$(exec_url echo let in)"
assert_eq "$out" "let in"
gives 125 slipctl exec -i main true </dev/null
assert_eq "$(slipctl --tls-cert "$tls/client.pem" exec -i main echo let in </dev/null)" "let in"

echo "$SECONDS s: a certificate without its key: slipwayd says so and does not start"
stop_slipwayd
sed -i '/tls_key/d' "$CASE_DIR/config.toml"
gives 2 slipwayd --config "$CASE_DIR/config.toml" --listen "unix://$SOCKET"
assert_contains "$out" "streaming.tls_key is missing"
configure
echo nonsense >"$tls/server.pem"
gives 1 slipwayd --config "$CASE_DIR/config.toml" --listen "unix://$SOCKET" --root "$CASE_DIR/root" --state "$CASE_DIR/state"
assert_contains "$out" "$tls/server.pem"
certify server-ca server
start_slipwayd --config "$CASE_DIR/config.toml"
stop_pod "$pod"
remove_pod "$pod"
