"""What a kubelet repeats, cancels and does at once.

repeat.py --image REFERENCE [--pods N]
"""
import argparse
import os
import random
import sys
import time

from node import CallFailed, Node

ABSENT = "0" * 64
STUBBORN = ("sh", "-c", "n=0; trap 'n=$((n+1)); echo TERM $n' TERM; echo ready; while :; do sleep 0.1; done")


def fail(text):
    print("FAIL " + text, flush=True)
    sys.exit(1)


def expect(actual, wanted, what):
    if actual != wanted:
        fail(f"{what}: got {actual!r}, expected {wanted!r}")


def log_of(config, name):
    with open(f"{config['log_directory']}/{name}.log", encoding="utf-8") as stream:
        return [line.split(" ", 3)[3].rstrip("\n") for line in stream]


def wait_for_line(config, name, text, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if text in log_of(config, name):
                return
        except OSError:
            pass
        time.sleep(0.02)
    fail(f"no '{text}' in the log of {name}")


def joined(node):
    """The same request while the first is in flight: one pod, one container, the same answer."""
    config = node.pod_config()
    calls = [node.client.begin("RunPodSandbox", {"config": config}) for _ in range(4)]
    pods = {node.client.end(call)["pod_sandbox_id"] for call in calls}
    expect(len(pods), 1, "pods of one name")
    pod = pods.pop()
    request = node.container_request(pod, config)
    calls = [node.client.begin("CreateContainer", request) for _ in range(4)]
    containers = {node.client.end(call)["container_id"] for call in calls}
    expect(len(containers), 1, "containers of one name")
    expect(len(node.containers(pod)), 1, "containers in the list")
    # A caller that gave up: its operation goes on, and its repetition gets the result.
    config = node.pod_config()
    call = node.client.begin("RunPodSandbox", {"config": config})
    time.sleep(0.05)
    node.client.cancel(call)
    try:
        node.client.end(call)
    except CallFailed as failed:
        expect(failed.code, "CANCELLED", "a cancelled RunPodSandbox")
    second = node.run_pod(config)
    expect(sorted(node.pods()), sorted([pod, second]), "pods after a cancelled and repeated call")
    for one in (pod, second):
        node.remove_pod(one)


def idempotent(node):
    config = node.pod_config()
    pod = node.run_pod(config)
    container = node.started(pod, config)
    for method in ("StopContainer", "StopContainer", "RemoveContainer", "RemoveContainer", "StopContainer"):
        node.client.call(method, {"container_id": container} if method == "RemoveContainer" else {"container_id": container, "timeout": 0})
    for method in ("StopPodSandbox", "StopPodSandbox", "RemovePodSandbox", "RemovePodSandbox", "StopPodSandbox"):
        node.client.call(method, {"pod_sandbox_id": pod})
    node.client.call("StopContainer", {"container_id": ABSENT, "timeout": 1})
    node.client.call("RemoveContainer", {"container_id": ABSENT})
    node.client.call("StopPodSandbox", {"pod_sandbox_id": ABSENT})
    node.client.call("RemovePodSandbox", {"pod_sandbox_id": ABSENT})
    node.client.call("RemoveImage", {"image": {"image": "127.0.0.1:5000/no/such:1"}})


def stops(node):
    """A stop whose caller has gone goes on; the next joins it, sends no second signal and may shorten the grace."""
    config = node.pod_config()
    pod = node.run_pod(config)
    container = node.started(pod, config, STUBBORN, "stubborn")
    wait_for_line(config, "stubborn", "ready")
    begun = time.monotonic()
    try:
        node.client.call("StopContainer", {"container_id": container, "timeout": 8}, deadline=2)
        fail("a stop of 8 s returned within 2")
    except CallFailed as failed:
        expect(failed.code, "DEADLINE_EXCEEDED", "a stop with a deadline of 2 s")
    node.client.call("StopContainer", {"container_id": container, "timeout": 8})
    took = time.monotonic() - begun
    if not 7.5 <= took <= 14:
        fail(f"the second stop did not join the first: {took:.1f} s of 8")
    expect([line for line in log_of(config, "stubborn") if line.startswith("TERM")], ["TERM 1"], "signals")
    expect(node.status(container)["exit_code"], 137, "exit code")

    container = node.started(pod, config, STUBBORN, "hurried")
    wait_for_line(config, "hurried", "ready")
    begun = time.monotonic()
    first = node.client.begin("StopContainer", {"container_id": container, "timeout": 60})
    wait_for_line(config, "hurried", "TERM 1")
    node.client.call("StopContainer", {"container_id": container, "timeout": 1})
    node.client.end(first)
    if time.monotonic() - begun > 20:
        fail("a second stop did not shorten the first one's 60 s")
    expect([line for line in log_of(config, "hurried") if line.startswith("TERM")], ["TERM 1"], "signals of the hurried one")

    # A whole pod, as `kubeadm reset` does it: a deadline of 2 s, again until it is gone.
    node.started(pod, config, STUBBORN, "last")
    for _ in range(30):
        try:
            node.client.call("StopPodSandbox", {"pod_sandbox_id": pod}, deadline=2)
            node.client.call("RemovePodSandbox", {"pod_sandbox_id": pod}, deadline=2)
            break
        except CallFailed as failed:
            expect(failed.code, "DEADLINE_EXCEEDED", "a pod's end with a deadline")
    expect(node.pods(), [], "pods")


class Life:
    """One pod of many: run, create, start, exec, stop, remove; some leave out what comes in between."""

    def __init__(self, node, number, seed):
        self.node, self.config = node, node.pod_config(f"many{number}", **({} if number % 5 == 0 else {"host": True}))
        if self.config.pop("host", False):
            self.config["linux"]["security_context"]["namespace_options"]["network"] = "NODE"
            self.config.pop("hostname")
        self.how = seed.choice(["whole", "whole", "early", "repeat"])
        self.pod = self.container = None
        self.step, self.done = 0, False
        self.calls = []

    def requests(self):
        """The calls of the next step, all at once."""
        self.step += 1
        if self.step == 1:
            return [("RunPodSandbox", {"config": self.config})] * (2 if self.how == "repeat" else 1)
        if self.step == 2 and self.how != "early":
            return [("CreateContainer", self.node.container_request(self.pod, self.config, name="c"))]
        if self.step == 3 and self.how != "early":
            return [("StartContainer", {"container_id": self.container})]
        if self.step == 4 and self.how == "whole":
            return [("ExecSync", {"container_id": self.container, "cmd": ["true"], "timeout": 100})]
        if self.step <= 5:
            self.step = 5
            return [("StopPodSandbox", {"pod_sandbox_id": self.pod})] * (2 if self.how == "repeat" else 1)
        if self.step == 6:
            return [("RemovePodSandbox", {"pod_sandbox_id": self.pod})]
        self.done = True
        return []

    def go_on(self):
        """Takes the answers that are there; begins the next step when all are. False: still waiting."""
        if any(call[1].empty() for call in self.calls):
            return False
        for call in self.calls:
            answer = self.node.client.end(call)
            self.pod = answer.get("pod_sandbox_id", self.pod)
            self.container = answer.get("container_id", self.container)
        self.calls = [self.node.client.begin(method, request, deadline=280) for method, request in self.requests()]
        return True


def many(node, count):
    begun = time.monotonic()
    seed = random.Random(count)
    lives = [Life(node, i, seed) for i in range(count)]
    deadline = time.monotonic() + 280
    while not all(life.done for life in lives):
        if not [life for life in lives if not life.done and life.go_on()]:
            time.sleep(0.01)
        if time.monotonic() > deadline:
            fail(f"{sum(not life.done for life in lives)} of {count} pods are not through: " +
                 ", ".join(f"{life.step}" for life in lives if not life.done))
    expect(node.pods(), [], "pods after all are removed")
    expect(node.containers(), [], "containers after all are removed")
    print(f"result: {count} pods at once, made and removed in {time.monotonic() - begun:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True)
    parser.add_argument("--pods", type=int, default=50)
    arguments = parser.parse_args()
    node = Node(os.environ["CASE_DIR"], os.environ["CNI_CONF"], os.environ["CNI_BIN"], faults=False)
    node.start()
    try:
        node.image = node.pull(arguments.image)
        idempotent(node)  # opens what stays open
        before = node.snapshot()
        joined(node)
        stops(node)
        many(node, arguments.pods)
        left = [line for line in node.difference(before) if not line.startswith("left behind: descriptor: slipwayd anon_inode")]
        if left:
            fail("left behind after all: " + "; ".join(left))
    finally:
        node.stop()


main()
