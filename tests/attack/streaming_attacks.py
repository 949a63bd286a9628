"""Attacks by clients of streams that break off: what they leave in the container, in slipwayd and in the monitor must be nothing."""
import errno
import glob
import json
import os
import socket
import struct
import subprocess
import time

import stream_client
from daemon import MONITORS
from slipwayd_attacks import Slipwayd

SESSIONS = int(os.environ.get("SLIPWAY_ATTACK_SESSIONS", "120"))  # a round; docs/reliability.md has a run with five thousand
AT_ONCE = 20
PATIENCE = 20 + SESSIONS / 100  # seconds until all that a round has left is to be gone
GROWTH = 1 << 20  # bytes of memory that a further round may cost: it is the allocator's unrest, a leak of 10 KiB a session is more


class Calls:
    """CRI calls one after another over one connection."""

    def __init__(self, daemon):
        self.process = subprocess.Popen([daemon.build + "/tests/cri_batch", daemon.endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, method, request):
        self.process.stdin.write(f"call 30000 {method} {json.dumps(request)}\n")
        self.process.stdin.flush()
        _, code, text = self.process.stdout.readline().split(" ", 2)
        if code != "OK":
            raise AssertionError(f"{method}: {code} {text}")
        return json.loads(text)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def processes(cgroup):
    """Those of one cgroup; none when it goes while it is read: an exec's ends with it."""
    try:
        with open(cgroup + "/cgroup.procs", encoding="utf-8") as file:
            return file.read().split()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return []


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Abandoned(Slipwayd):
    """Rounds of sessions that are opened and left; subclasses say which, and what the container runs."""

    def session(self, number):
        """Opens one, so that it works; returns its client."""
        raise NotImplementedError

    def attack(self):
        self.start()
        self.container = self.daemon.run_container(self.pod, "c", "sleep", "1000")
        pid = json.loads(self.daemon.slipctl("inspect", self.container).stdout)["pid"]
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            self.cgroup = "/sys/fs/cgroup" + file.read().strip().split("::")[1]
        with open(f"{MONITORS}/{self.pod}/cgroup.procs", encoding="utf-8") as file:
            self.monitor = file.readline().strip()
        self.calls = Calls(self.daemon)
        self.addCleanup(self.calls.close)
        before = self.picture()
        before["slipwayd"] += 4  # the first brings what stays for good
        if self.round(before, 1):
            return True
        before = self.picture()
        if self.round(before, SESSIONS):
            return True
        settled = memory(self.daemon.process.pid)
        return self.round(before, SESSIONS) or memory(self.daemon.process.pid) - settled > GROWTH

    def picture(self):
        folders = glob.glob(self.cgroup + "/**/", recursive=True)
        return {"processes": sum(len(processes(folder)) for folder in folders), "cgroups": len(glob.glob(self.cgroup + "/*/")), "monitor": descriptors(self.monitor),
                "slipwayd": descriptors(self.daemon.process.pid)}

    def round(self, before, sessions):
        """Opens and leaves that many; True when something stays."""
        for begin in range(0, sessions, AT_ONCE):
            numbers = range(begin, min(begin + AT_ONCE, sessions))
            clients = [self.session(number) for number in numbers]
            time.sleep(0.2)  # all are at work
            for number, client in zip(numbers, clients):
                self.leave(client, number)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            now = self.picture()
            if all(now[name] <= before[name] for name in before):
                return False
            time.sleep(0.1)
        print(f"left: {now}, before: {before}")
        return True

    @staticmethod
    def leave(client, number):
        """By a close, or by a reset as of a host that is gone."""
        link = getattr(client, "link", None) or client.spdy.link
        if number % 2:
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    def open(self, number, method, wanted, **request):
        url = self.calls.call(method, {"container_id": self.container, **{name: True for name in wanted}, **request})["url"]
        channels = ["error", *wanted, *(["resize"] if request.get("tty") else [])]
        return (stream_client.SpdyCommand if number % 4 < 2 else stream_client.WebSocketCommand)(url, channels)


class Attack32Exec(Abandoned):
    """The client of an exec goes, its process stays."""

    defences = "exec_ends"
    command = "echo up; exec sleep 1001"

    def session(self, number):
        tty = number % 3 == 0
        client = self.open(number, "Exec", ["stdin", "stdout"], tty=tty, cmd=["sh", "-c", self.command])
        self.assertEqual(client.read()[0], "stdout")
        if tty:
            for width in range(80, 120):  # and nobody ever reads the answers
                client.send("resize", json.dumps({"Width": width, "Height": 24}).encode())
        return client


class Attack32Escaped(Attack32Exec):
    """What an exec has started has left its session and process group, and stays when the client goes."""

    defences = "exec_parts"
    command = "busybox setsid sleep 1002 & echo up; exec sleep 1001"


class Attack32Attach(Abandoned):
    """Who attached to a silent container goes, and is never missed: nothing is ever written to him."""

    defences = "reader_gone"

    def session(self, number):
        return self.open(number, "Attach", ["stdout", "stderr"])
