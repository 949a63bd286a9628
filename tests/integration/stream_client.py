#!/usr/bin/env python3
"""A client of the streaming server in the standard library: remote commands and port forwarding by SPDY/3.1 and WebSocket.

stream_client.py [--ca FILE] [--cert FILE] TRANSPORT command URL [--stdin TEXT] [--keep] [--tty WxH] [--no-stderr] [--until TEXT] [--then-stdin TEXT] [--reset CHANNEL] [--leave]
    Output goes to ours, the exit status is the command's; 99: the server told another failure (on stderr), 98: it refused (on stderr).
    --keep: stdin stays open. --until: wait for TEXT in stdout, then --then-stdin is sent, --reset resets a channel, or --leave breaks off.
stream_client.py TRANSPORT forward URL PORT TEXT…
    One connection to the port for each TEXT, all at once; prints what each got back, a line each, and "error: …" where told so.
An https URL: --ca has the authorities to trust, --cert our own certificate with its key.
"""
import argparse
import base64
import hashlib
import json
import os
import select
import socket
import ssl
import struct
import sys
import time
import zlib
from urllib.parse import urlsplit

TIMEOUT = 60
TLS = {"ca": None, "cert": None}
CHANNELS = ["stdin", "stdout", "stderr", "error", "resize"]


class Refused(Exception):
    pass


def encrypted(sock, name):
    context = ssl.create_default_context(cafile=TLS["ca"])
    if TLS["cert"]:
        context.load_cert_chain(TLS["cert"])
    return context.wrap_socket(sock, server_hostname=name)


def upgrade(url, headers):
    """The socket after a 101, the reply's header lines, and what came behind them."""
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname, parts.port), TIMEOUT)
    if parts.scheme == "https":
        try:
            sock = encrypted(sock, parts.hostname)
        except ssl.SSLError as error:
            raise Refused(f"TLS: {error}") from error
    lines = [f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: Upgrade", *headers, "", ""]
    try:
        sock.sendall("\r\n".join(lines).encode())
    except ssl.SSLError as error:
        raise Refused(f"TLS: {error}") from error
    got = b""
    while b"\r\n\r\n" not in got:
        try:
            piece = sock.recv(4096)
        except ssl.SSLError as error:  # a certificate that is missing is told after the handshake
            raise Refused(f"TLS: {error}") from error
        if not piece:
            raise Refused("the connection was closed")
        got += piece
    head, rest = got.split(b"\r\n\r\n", 1)
    if b" 101 " not in head.split(b"\r\n")[0] + b" ":
        raise Refused((head.split(b"\r\n")[0] + b" " + rest).decode(errors="replace").strip())
    return sock, head.decode().split("\r\n"), rest


class Bytes:
    """A TCP connection: bytes as they come."""

    def __init__(self, sock, rest=b""):
        self.sock, self.rest = sock, rest

    def read(self, wait=TIMEOUT):
        """b"" at the end; None when nothing came in time."""
        if self.rest:
            piece, self.rest = self.rest, b""
            return piece
        buffered = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0
        if not buffered and not select.select([self.sock], [], [], wait)[0]:
            return None
        try:
            return self.sock.recv(65536)
        except ConnectionError:
            return b""

    def write(self, data):
        self.sock.sendall(data)

    def close(self):
        self.sock.close()


class Messages(Bytes):
    """A WebSocket connection (RFC 6455): a message for each read and write."""

    def __init__(self, url, protocol):
        key = base64.b64encode(os.urandom(16)).decode()
        sock, head, rest = upgrade(url, ["Upgrade: websocket", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Protocol: {protocol}"])
        super().__init__(sock, rest)
        fields = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in head[1:]}
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        assert fields["sec-websocket-accept"] == accept, fields
        assert fields["sec-websocket-protocol"] == protocol, fields
        self.buffer = b""

    def need(self, size, wait):
        while len(self.buffer) < size:
            piece = super().read(wait)
            if not piece:
                return piece
            self.buffer += piece
        return True

    def read(self, wait=TIMEOUT):
        while True:
            whole = self.frame(wait)
            if whole is None or whole == b"":
                return whole
            code, payload = whole
            if code == 8:  # close
                return b""
            if code == 9:
                self.write(payload, 10)
            elif code in (0, 1, 2):
                return payload or self.read(wait)

    def frame(self, wait):
        there = self.need(2, wait)
        if not there:
            return there
        size, at = self.buffer[1] & 127, 2
        if size == 126:
            self.need(4, TIMEOUT)
            size, at = struct.unpack(">H", self.buffer[2:4])[0], 4
        elif size == 127:
            self.need(10, TIMEOUT)
            size, at = struct.unpack(">Q", self.buffer[2:10])[0], 10
        if not self.need(at + size, TIMEOUT):
            return b""
        code, payload = self.buffer[0] & 15, self.buffer[at:at + size]
        self.buffer = self.buffer[at + size:]
        return code, payload

    def write(self, data, code=2):
        size = len(data)
        head = bytes([128 | code])
        head += bytes([128 | size]) if size < 126 else bytes([254]) + struct.pack(">H", size) if size < 65536 else bytes([255]) + struct.pack(">Q", size)
        mask = os.urandom(4)
        self.sock.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))


class Spdy:
    """Frames on a connection of bytes, or of messages. Headers are compressed without the dictionary, replies' are not looked at."""

    def __init__(self, link):
        self.link, self.buffer, self.deflate, self.next = link, b"", zlib.compressobj(), 1

    def open(self, **headers):
        stream, self.next = self.next, self.next + 2
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            block += struct.pack(">I", len(name)) + name.encode() + struct.pack(">I", len(value)) + value.encode()
        self.control(1, struct.pack(">IIBB", stream, 0, 0, 0) + self.deflate.compress(block) + self.deflate.flush(zlib.Z_SYNC_FLUSH))
        return stream

    def control(self, kind, body):
        self.link.write(struct.pack(">HHI", 0x8003, kind, len(body)) + body)

    def send(self, stream, data=b"", fin=False):
        self.link.write(struct.pack(">II", stream, fin << 24 | len(data)) + data)

    def reset(self, stream):
        self.control(3, struct.pack(">II", stream, 5))

    def read(self, wait=TIMEOUT):
        """(kind, stream, payload, fin); kind 0 is data. b"" at the end, None when nothing came in time."""
        while len(self.buffer) < 8 or len(self.buffer) < 8 + (struct.unpack(">I", self.buffer[4:8])[0] & 0xffffff):
            piece = self.link.read(wait)
            if not piece:
                return piece
            self.buffer += piece
        first, second = struct.unpack(">II", self.buffer[:8])
        size = second & 0xffffff
        payload, self.buffer = self.buffer[8:8 + size], self.buffer[8 + size:]
        if first & 0x80000000:
            return first & 0xffff, struct.unpack(">I", payload[:4])[0], payload[4:], bool(second >> 24 & 1)
        return 0, first, payload, bool(second >> 24 & 1)


class SpdyCommand:
    """Exec and attach: channels by name."""

    def __init__(self, url, wanted):
        sock, head, rest = upgrade(url, ["Upgrade: SPDY/3.1"] + [f"X-Stream-Protocol-Version: {name}" for name in ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io")])
        assert any(line.lower() == "x-stream-protocol-version: v4.channel.k8s.io" for line in head), head
        self.spdy = Spdy(Bytes(sock, rest))
        self.ids = {name: self.spdy.open(streamtype=name) for name in wanted}
        self.names = {stream: name for name, stream in self.ids.items()}

    def send(self, channel, data):
        self.spdy.send(self.ids[channel], data)

    def finish(self, channel):
        self.spdy.send(self.ids[channel], fin=True)

    def reset(self, channel):
        self.spdy.reset(self.ids[channel])

    def read(self, wait=TIMEOUT):
        """(channel, data); None: nothing came; b"": the end."""
        while True:
            frame = self.spdy.read(wait)
            if not frame:
                return frame
            kind, stream, payload, _ = frame
            if kind == 0 and payload:
                return self.names[stream], payload
            if kind == 3:
                raise Refused(f"stream {self.names.get(stream)} was reset")

    def close(self):
        self.spdy.link.close()


class WebSocketCommand:
    def __init__(self, url, wanted):
        self.link = Messages(url, "v5.channel.k8s.io")

    def send(self, channel, data):
        self.link.write(bytes([CHANNELS.index(channel)]) + data)

    def finish(self, channel):
        self.link.write(bytes([255, CHANNELS.index(channel)]))

    reset = finish

    def read(self, wait=TIMEOUT):
        while True:
            message = self.link.read(wait)
            if not message:
                return message
            if len(message) > 1:
                return CHANNELS[message[0]], message[1:]

    def close(self):
        self.link.close()


def exit_code(status):
    if status["status"] == "Success":
        return 0
    causes = [cause["message"] for cause in status.get("details", {}).get("causes", []) if cause.get("reason") == "ExitCode"]
    if causes:
        return int(causes[0])
    print(f"failure: {status['message']}", file=sys.stderr)
    return 99


def command(arguments):
    wanted = ["error", "stdout"] + ([] if arguments.tty or arguments.no_stderr else ["stderr"])
    if arguments.stdin is not None or arguments.keep:
        wanted.append("stdin")
    if arguments.tty:
        wanted.append("resize")
    client = (SpdyCommand if arguments.transport == "spdy" else WebSocketCommand)(arguments.url, wanted)
    if arguments.tty:
        width, height = arguments.tty.split("x")
        client.send("resize", json.dumps({"Width": int(width), "Height": int(height)}).encode())
    if arguments.stdin is not None:
        client.send("stdin", arguments.stdin.encode().decode("unicode_escape").encode())
        if not arguments.keep:
            client.finish("stdin")
    seen, status = b"", None
    until = arguments.until.encode() if arguments.until else None
    while True:
        got = client.read()
        if got is None:
            raise Refused("nothing came for too long")
        if not got:
            break
        channel, data = got
        if channel == "error":
            status = (status or b"") + data
            continue
        os.write(1 if channel == "stdout" else 2, data)
        if until and channel == "stdout":
            seen += data
            if until in seen:
                until = None
                if arguments.leave:
                    client.close()
                    return 0
                if arguments.then_stdin:
                    client.send("stdin", arguments.then_stdin.encode().decode("unicode_escape").encode())
                if arguments.reset:
                    client.reset(arguments.reset)
    if status is None:
        raise Refused("the connection ended without a status")
    return exit_code(json.loads(status))


def forward(arguments):
    if arguments.transport == "spdy":
        sock, head, rest = upgrade(arguments.url, ["Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"])
        assert any(line.lower() == "x-stream-protocol-version: portforward.k8s.io" for line in head), head
        link = Bytes(sock, rest)
    else:
        link = Messages(arguments.url, "SPDY/3.1+portforward.k8s.io")
    spdy = Spdy(link)
    pairs = []
    for number, text in enumerate(arguments.texts):
        headers = {"port": str(arguments.port), "requestid": str(number)}
        error = spdy.open(streamtype="error", **headers)
        spdy.send(error, fin=True)
        pairs.append({"error": error, "data": spdy.open(streamtype="data", **headers), "got": b"", "said": b"", "done": 0})
    for pair, text in zip(pairs, arguments.texts):  # all are open before the first speaks
        if text == "RESET":
            spdy.reset(pair["data"])
            pair["done"] = 1
        else:
            spdy.send(pair["data"], text.encode(), fin=True)
    streams = {pair[kind]: (pair, kind) for pair in pairs for kind in ("error", "data")}
    deadline = time.monotonic() + TIMEOUT
    while any(pair["done"] < 2 for pair in pairs):
        frame = spdy.read(1)
        if time.monotonic() > deadline or frame == b"":
            raise Refused(f"the connections did not end: {pairs}")
        if frame is None or frame[0] not in (0, 3):
            continue
        pair, kind = streams[frame[1]]
        if frame[0] == 0:
            pair["got" if kind == "data" else "said"] += frame[2]
        pair["done"] += frame[3] or frame[0] == 3
    for pair in pairs:
        print(f"error: {pair['said'].decode()}" if pair["said"] else pair["got"].decode())
    link.close()
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ca")
    parser.add_argument("--cert")
    parser.add_argument("transport", choices=["spdy", "websocket"])
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("command")
    one.add_argument("url")
    for name in ("stdin", "tty", "until", "then-stdin", "reset"):
        one.add_argument("--" + name)
    for name in ("keep", "no-stderr", "leave"):
        one.add_argument("--" + name, action="store_true")
    two = verbs.add_parser("forward")
    two.add_argument("url")
    two.add_argument("port", type=int)
    two.add_argument("texts", nargs="+")
    arguments = parser.parse_args()
    TLS.update(ca=arguments.ca, cert=arguments.cert)
    try:
        return command(arguments) if arguments.verb == "command" else forward(arguments)
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 98


if __name__ == "__main__":
    sys.exit(main())
