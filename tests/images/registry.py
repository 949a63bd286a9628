"""A registry of our own on loopback for the time of the build, and pushing into it."""
import http.client
import os
import socket
import subprocess
import tempfile
import time

from layer import digest

CONFIG = """version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {storage}
http:
  addr: 127.0.0.1:{port}
"""


class Registry:
    """docker-registry over `storage`, on a free loopback port, while the `with` block lasts."""

    def __init__(self, storage):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._config = tempfile.NamedTemporaryFile("w", suffix=".yml", delete=False)
        self._config.write(CONFIG.format(storage=storage, port=self._port))
        self._config.close()
        self._where = {}  # blob digest -> a repository that has it

    def __enter__(self):
        self._process = subprocess.Popen(["docker-registry", "serve", self._config.name])
        deadline = time.monotonic() + 30
        while True:
            try:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
                self._call("GET", "/v2/", expect=200)
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self._connection.close()
        self._process.terminate()
        self._process.wait()
        os.unlink(self._config.name)

    def _call(self, method, path, body=None, headers=None, expect=201):
        self._connection.request(method, path, body, headers or {})
        answer = self._connection.getresponse()
        text = answer.read()
        allowed = expect if isinstance(expect, tuple) else (expect,)
        if answer.status not in allowed:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]!r}")
        return answer

    def _push_blob(self, repository, data):
        name = digest(data)
        known = self._where.setdefault(name, repository)
        query = f"?mount={name}&from={known}" if known != repository else ""
        answer = self._call("POST", f"/v2/{repository}/blobs/uploads/{query}", b"", expect=(201, 202))
        if answer.status == 201:
            return
        where = answer.getheader("Location").split(f":{self._port}", 1)[-1]
        joint = "&" if "?" in where else "?"
        self._call("PUT", f"{where}{joint}digest={name}", data, {"Content-Type": "application/octet-stream"})

    def push(self, image, repository, tags):
        for part in image.parts():
            for blob in part.blobs():
                self._push_blob(repository, blob)
            self._put_manifest(repository, digest(part.manifest), part)
        for tag in tags:
            self._put_manifest(repository, tag, image)

    def _put_manifest(self, repository, reference, image):
        self._call("PUT", f"/v2/{repository}/manifests/{reference}", image.manifest, {"Content-Type": image.media_type})
