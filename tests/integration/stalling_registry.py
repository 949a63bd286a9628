"""A registry that gives every blob's first half, then nothing: stalling_registry.py PORT REGISTRY, whose contents it hands on."""
import http.server
import sys
import time
import urllib.error
import urllib.request

SMALL = 16384  # configurations come whole


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        request = urllib.request.Request(f"http://{sys.argv[2]}{self.path}", headers={"Accept": self.headers.get("Accept", "*/*")})
        try:
            with urllib.request.urlopen(request) as answer:
                status, headers, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, headers, body = error.code, error.headers, error.read()
        self.send_response(status)
        for name in ("Content-Type", "Docker-Content-Digest"):
            if headers.get(name):
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stalls = "/blobs/" in self.path and len(body) > SMALL
        self.wfile.write(body[: len(body) // 2] if stalls else body)
        self.wfile.flush()
        if stalls:
            time.sleep(3600)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
