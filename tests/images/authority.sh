# shellcheck shell=bash
# The certificate authority of the test registries, and the certificate that serves all their names.

# make_authority FOLDER NAMES_FILE: ca.crt ca.key hash server.crt server.key
make_authority() {
  local dir=$1 names
  names=$(sed -e 's/^/DNS:/' "$2" | paste -sd,),DNS:localhost,IP:127.0.0.1
  mkdir -p "$dir"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 \
    -subj '/O=slipway tests/CN=slipway test authority' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
    -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj '/O=slipway tests/CN=registry' \
    -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
  openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 3650 -sha256 \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$names") \
    -out "$dir/server.crt" 2>/dev/null
  openssl x509 -in "$dir/ca.crt" -noout -hash >"$dir/hash"
  rm "$dir/server.csr"
}
