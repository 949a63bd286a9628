"""The kubelet's probes: exec by ExecSync, the others from the node to the pod's address."""
import http.client
import socket
import struct

TIMEOUT = 10


def http_get(address, port, path="/"):
    """The status of an HTTP probe."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers={"User-Agent": "kube-probe/1.36", "Connection": "close"})
        return connection.getresponse().status
    finally:
        connection.close()


def tcp(address, port):
    try:
        socket.create_connection((address, port), TIMEOUT).close()
        return True
    except OSError:
        return False


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """An HPACK field without indexing (RFC 7541, 6.2.2)."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


# grpc.health.v1.Health/Check over HTTP/2: the reply is SERVING (1) in a data frame, then trailers with grpc-status 0.
REQUEST = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, b"".join(literal(name, value) for name, value in [
    (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/grpc.health.v1.Health/Check"), (b":authority", b"pod"),
    (b"content-type", b"application/grpc"), (b"te", b"trailers")])) + frame(0, 1, 1, b"\0\0\0\0\0")
REPLY = (frame(4, 0, 0, b"") + frame(4, 1, 0, b"") + frame(1, 4, 1, b"\x88" + literal(b"content-type", b"application/grpc"))
         + frame(0, 0, 1, b"\0\0\0\0\x02\x08\x01") + frame(1, 5, 1, literal(b"grpc-status", b"0")))


def grpc_server(port):
    """A shell command that answers such calls, one after another: what a health server sends is the same each time."""
    octal = "".join(f"\\{byte:03o}" for byte in REPLY)
    return f"printf 'head -c {len(REQUEST)} >/dev/null; printf \"%s\"' '{octal}' >/tmp/reply; exec nc -ll -p {port} -e sh /tmp/reply"


def grpc(address, port):
    """Whether the service says SERVING."""
    with socket.create_connection((address, port), TIMEOUT) as connection:
        connection.sendall(REQUEST)
        got = b""
        while len(got) < len(REPLY):
            piece = connection.recv(4096)
            if not piece:
                return False
            got += piece
    return b"\x08\x01" in got and got.endswith(frame(1, 5, 1, literal(b"grpc-status", b"0")))
