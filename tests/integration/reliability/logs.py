"""A container's log through kills of slipwayd, kills of the log writer, a stalled disk and a full one.

logs.py --image REFERENCE [--kills N]; mount points of the disks come by SLOW_DISK and FULL_DISK (optional, then those parts run too).
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time

from node import Node

BLOCK_LIMIT = 100_000  # microseconds that a write(2) of a container may take
NOTICE = re.compile(r"stderr F slipway: (\d+) log entries were lost here: (.*)$")


def fail(text):
    print("FAIL " + text, flush=True)
    sys.exit(1)


def lines_of(path):
    with open(path, encoding="utf-8") as stream:
        return [line.split(" ", 1)[1] for line in stream.read().splitlines()]


def expect_all(lines, count):
    wanted = [f"stdout F line {i}" for i in range(count)]
    if lines != wanted:
        different = next((i for i, (a, b) in enumerate(zip(lines, wanted)) if a != b), min(len(lines), len(wanted)))
        fail(f"{len(lines)} lines, {count} expected; the first difference is line {different}: {lines[different:different + 2]}")


class Blocked(Exception):
    """A write took too long, or the guest had no processor while it lasted."""


def undisturbed(part, *arguments):
    """Three times at most: what slipway makes a container wait for comes again, a busy machine's hiccup does not."""
    for attempt in range(3):
        try:
            return part(*arguments)
        except Blocked as blocked:
            if attempt == 2:
                fail(str(blocked))
            print(f"again: {blocked}", flush=True)


class Pacer:
    """The container that writes, with its log and its own word about how long it had to wait."""

    def __init__(self, node, count, pause, log_directory=None):
        self.node, self.count = node, count
        name = f"pacer{next(node.names)}"
        self.result = f"{node.dir}/results/{name}"
        os.makedirs(os.path.dirname(self.result), exist_ok=True)
        self.config = node.pod_config()
        if log_directory:
            self.config["log_directory"] = log_directory
        self.log = f"{self.config['log_directory']}/{name}.log"
        self.pod = node.run_pod(self.config)
        request = node.container_request(self.pod, self.config, ("/pacer", str(count), str(pause), f"/results/{name}"), name)
        program = os.path.realpath(os.path.join(os.environ["SLIPWAY_TESTS"], "log_pacer"))
        request["config"]["mounts"] = [{"container_path": "/pacer", "host_path": program, "readonly": True},
                                       {"container_path": "/results", "host_path": os.path.dirname(self.result)}]
        self.container = node.client.call("CreateContainer", request)["container_id"]
        node.start_container(self.container)

    def said(self):
        """(lines, microseconds of the longest write, and of the longest delay that the machine alone made) so far."""
        try:
            with open(self.result, encoding="utf-8") as stream:
                words = stream.read().split()
            return int(words[0]), int(words[1]), int(words[2])
        except (OSError, IndexError):
            return 0, 0, 0

    def wait_for_lines(self, count, seconds=120):
        deadline = time.monotonic() + seconds
        while self.said()[0] < count:
            if time.monotonic() > deadline:
                fail(f"{self.said()[0]} lines instead of {count} after {seconds} s: the container is blocked")
            time.sleep(0.02)

    def wait_exit(self, seconds=150):
        deadline = time.monotonic() + seconds
        while self.node.status(self.container)["state"] != "CONTAINER_EXITED":
            if time.monotonic() > deadline:
                fail("the container does not end")
            time.sleep(0.05)
        code = self.node.status(self.container)["exit_code"]
        if code != 0:
            fail(f"the container ended with {code}")

    def check_block(self, what):
        lines, longest, late = self.said()
        print(f"result: {what}: {lines} lines, longest write {longest} us, longest sleep too long by {late} us", flush=True)
        if longest > BLOCK_LIMIT + late:
            raise Blocked(f"{what}: a write took {longest} us")


def writers():
    out = subprocess.run(["pgrep", "-x", "slipway-logs"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in out.stdout.split()]


def through_kills(node, kills):
    pacer = Pacer(node, kills * 200, 5000)
    for i in range(kills):
        pacer.wait_for_lines(min(pacer.said()[0] + 100, pacer.count))
        node.restart()
        if i % 4 == 3:
            for pid in writers():
                os.kill(pid, signal.SIGKILL)
    pacer.wait_exit()
    expect_all(lines_of(pacer.log), pacer.count)
    node.remove_pod(pacer.pod)
    pacer.check_block(f"{kills} kills of slipwayd, {kills // 4} of the log writer")


def rotated(node):
    """Renamed and reopened under load: between the files nothing is missing and nothing is twice."""
    pacer = Pacer(node, 2000, 1000)
    parts = []
    for i in range(5):
        pacer.wait_for_lines(300 * (i + 1))
        parts.append(f"{pacer.log}.{i}")
        os.rename(pacer.log, parts[-1])
        node.client.call("ReopenContainerLog", {"container_id": pacer.container})
        if not os.path.exists(pacer.log):
            fail("no file after ReopenContainerLog")
    pacer.wait_exit()
    expect_all([line for part in parts + [pacer.log] for line in lines_of(part)], pacer.count)
    node.remove_pod(pacer.pod)


def stalled(node, disk):
    """A frozen file system: the container goes on, the monitor answers, and afterwards the log says what is missing."""
    pacer = Pacer(node, 60000, 0, f"{disk}/pod")
    quiet = Pacer(node, 100, 50000)  # another pod, on another disk
    pacer.wait_for_lines(500)
    subprocess.run(["fsfreeze", "--freeze", disk], check=True)
    try:
        begun = time.monotonic()
        pacer.wait_for_lines(pacer.count)
        code = node.client.call("ExecSync", {"container_id": quiet.container, "cmd": ["true"], "timeout": 30})["exit_code"]
        if code != 0:
            fail("exec while a disk is stalled")
        print(f"result: wrote all within {time.monotonic() - begun:.1f} s of the stall", flush=True)
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", disk], check=True)
    pacer.wait_exit()
    check_losses(pacer, 30)
    quiet.wait_exit()
    expect_all(lines_of(quiet.log), quiet.count)
    node.remove_pod(quiet.pod)
    node.remove_pod(pacer.pod)
    pacer.check_block("a stalled disk")


def check_losses(pacer, seconds):
    """Every line is there or counted in a notice at its place."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            told = account(lines_of(pacer.log), pacer.count)
            break
        except ValueError as wrong:
            if time.monotonic() > deadline:
                fail(str(wrong))
            time.sleep(0.1)
    print(f"result: {told} of {pacer.count} lines were dropped and counted", flush=True)


def account(lines, count):
    following, lost = 0, 0
    for line in lines:
        notice = NOTICE.match(line)
        if notice:
            lost += int(notice.group(1))
            following += int(notice.group(1))
            continue
        if line != f"stdout F line {following}":
            raise ValueError(f"'{line}' where line {following} should be")
        following += 1
    if following != count:
        raise ValueError(f"{following} of {count} lines are in the log or counted")
    return lost


def full(node, disk):
    """A full disk: the container goes on; when there is room again the log says what is missing."""
    ballast = f"{disk}/ballast"
    pacer = Pacer(node, 30000, 200, f"{disk}/pod")
    pacer.wait_for_lines(200)
    with open(ballast, "wb") as stream:
        try:
            while True:
                stream.write(b"x" * 65536)
                stream.flush()
        except OSError:
            pass
    pacer.wait_for_lines(20000)
    os.unlink(ballast)
    pacer.wait_exit()
    check_losses(pacer, 10)
    node.remove_pod(pacer.pod)
    pacer.check_block("a full disk")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    node = Node(os.environ["CASE_DIR"], os.environ["CNI_CONF"], os.environ["CNI_BIN"], faults=False)
    node.start()
    try:
        node.image = node.pull(arguments.image)
        undisturbed(through_kills, node, arguments.kills)
        rotated(node)
        if os.environ.get("SLOW_DISK"):
            undisturbed(stalled, node, os.environ["SLOW_DISK"])
        if os.environ.get("FULL_DISK"):
            undisturbed(full, node, os.environ["FULL_DISK"])
    finally:
        node.stop()


main()
