"""CRI calls as the kubelet's client makes them, by cri_batch; slipwayd, which a scenario may kill and start again; assertions."""
import base64
import json
import os
import signal
import subprocess
import threading
import time

CASE_DIR = os.environ["CASE_DIR"]
SOCKET = os.path.join(CASE_DIR, "slipway.sock")
# What the kubelet's client allows (field-notes, section 1): RunPodSandbox four minutes, others two, StopContainer and ExecSync their own time on top.
DEADLINE = {"RunPodSandbox": 240, "PullImage": 600}


class Failed(Exception):
    """A call that came back with an error."""

    def __init__(self, method, code, message):
        super().__init__(f"{method}: {code}: {message}")
        self.code, self.message = code, message


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def same(found, wanted, what):
    check(found == wanted, f"{what}: got {found!r}, expected {wanted!r}")


def wait_for(seconds, what, condition):
    """What the condition gives once it is true; it is asked again and again."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        check(time.monotonic() < end, f"no {what} within {seconds} s")
        time.sleep(0.1)


class Call:
    """A call under way."""

    def __init__(self, method):
        self.method, self.done = method, threading.Event()
        self.code = self.text = None

    def result(self):
        self.done.wait()
        if self.code != "OK":
            raise Failed(self.method, self.code, self.text)
        return json.loads(self.text)


class Client:
    """One connection; calls of any thread."""

    def __init__(self):
        program = os.path.join(os.environ["SLIPWAY_TESTS"], "cri_batch")
        self.process = subprocess.Popen([program, "unix://" + SOCKET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock, self.calls, self.count = threading.Lock(), {}, 0
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            tag, code, text = line.rstrip("\n").split(" ", 2)
            call = self.calls.pop(tag)
            call.code, call.text = code, text
            call.done.set()

    def begin(self, method, request=None, timeout=0):
        call = Call(method)
        with self.lock:
            self.count += 1
            tag = f"c{self.count}"
            self.calls[tag] = call
            deadline = (DEADLINE.get(method, 120) + timeout) * 1000
            self.process.stdin.write(f"{tag} {deadline} {method} {json.dumps(request or {})}\n")
            self.process.stdin.flush()
        return call

    def call(self, method, request=None, timeout=0):
        return self.begin(method, request, timeout).result()

    def close(self):
        self.process.stdin.close()
        self.reader.join()
        self.process.wait()


class Daemon:
    """slipwayd on the case's folders, as lib.sh starts it."""

    def __init__(self):
        self.process = self.client = None

    def start(self):
        with open(os.path.join(CASE_DIR, "slipwayd.log"), "ab") as log:
            self.process = subprocess.Popen(
                ["slipwayd", "--listen", "unix://" + SOCKET, "--root", f"{CASE_DIR}/root", "--state", f"{CASE_DIR}/state",
                 "--cni-conf-dir", os.environ["CNI_CONF"], "--cni-bin-dir", os.environ["CNI_BIN"]], stderr=log)
        wait_for(30, "answer of slipwayd", self.answers)
        self.client = Client()

    def answers(self):
        check(self.process.poll() is None, "slipwayd ended")
        return subprocess.run(["slipctl", "version"], capture_output=True, check=False).returncode == 0

    def stop(self, how=signal.SIGKILL):
        """As a crash would, unless told otherwise. Calls under way come back UNAVAILABLE."""
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait()
        self.process = None
        self.client.close()

    def restart(self):
        self.stop()
        self.start()

    def __call__(self, method, request=None, timeout=0):
        return self.client.call(method, request, timeout)

    def begin(self, method, request=None, timeout=0):
        return self.client.begin(method, request, timeout)


def decoded(reply, stream):
    return base64.b64decode(reply.get(stream, "")).decode()
