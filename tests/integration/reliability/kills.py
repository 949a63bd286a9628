"""slipwayd is killed at random moments while several lives of pods go on at once; in the end nothing may be left.

kills.py --image REFERENCE --pulled REFERENCE --kills N [--seed N]
Workers do what a kubelet does: a failed call is repeated, what is listed and not wanted is removed. One pod with a container that writes
numbered lines lives through all of it.
"""
import argparse
import os
import random
import sys
import threading
import time

from node import CallFailed, Node


class Worker(threading.Thread):
    def __init__(self, node, number, pulled, seed, stop):
        super().__init__(daemon=True)
        self.node, self.number, self.pulled, self.stop = node, number, pulled, stop
        self.random = random.Random(seed)
        self.lives = 0

    def insist(self, method, request):
        while not self.stop.is_set():
            try:
                return self.node.client.call(method, request, deadline=60)
            except CallFailed as failed:
                if failed.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ALREADY_EXISTS", "FAILED_PRECONDITION", "NOT_FOUND", "CANCELLED", "INTERNAL"):
                    raise
                if failed.code in ("ALREADY_EXISTS", "FAILED_PRECONDITION", "NOT_FOUND"):
                    return None  # the kubelet's next look at the lists decides
                time.sleep(0.05)
        return None

    def life(self):
        config = self.node.pod_config(f"w{self.number}-{self.lives}")
        pod = self.insist("RunPodSandbox", {"config": config})
        for name in range(self.random.randint(0, 2)):
            container = pod and self.insist("CreateContainer", self.node.container_request(pod["pod_sandbox_id"], config, name=f"c{name}"))
            if container:
                self.insist("StartContainer", container)
                if self.random.random() < 0.5:
                    self.insist("ExecSync", {"container_id": container["container_id"], "cmd": ["true"], "timeout": 30})
                if self.random.random() < 0.5:
                    self.insist("StopContainer", {"container_id": container["container_id"], "timeout": 0})
                    self.insist("RemoveContainer", container)
        if self.random.random() < 0.2:
            self.insist("PullImage", {"image": {"image": self.pulled}})
            self.insist("RemoveImage", {"image": {"image": self.pulled}})
        if pod:
            self.insist("StopPodSandbox", pod)
            self.insist("RemovePodSandbox", pod)
        self.lives += 1

    def run(self):
        while not self.stop.is_set():
            self.life()


def check_lines(path):
    with open(path, encoding="utf-8") as stream:
        lines = [line.split(" ", 3)[3].rstrip("\n") for line in stream]
    for number, line in enumerate(lines):
        if line != f"line {number}":
            return f"'{line}' where line {number} should be"
    return None if len(lines) > 100 else f"only {len(lines)} lines"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True)
    parser.add_argument("--pulled", required=True)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    node = Node(os.environ["CASE_DIR"], os.environ["CNI_CONF"], os.environ["CNI_BIN"], faults=False)
    node.start()
    problems = []
    try:
        node.image = node.pull(arguments.image)
        config = node.pod_config("home")
        home = node.run_pod(config)
        writer = node.started(home, config, ("sh", "-c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"), "writer")
        before = node.snapshot()
        stop = threading.Event()
        chance = random.Random(arguments.seed)
        workers = [Worker(node, n, arguments.pulled, chance.random(), stop) for n in range(4)]
        for worker in workers:
            worker.start()
        for _ in range(arguments.kills):
            time.sleep(chance.uniform(0.05, 3))
            node.restart()
        stop.set()
        for worker in workers:
            worker.join(timeout=120)
        node.remove_others([home], [writer])
        try:
            node.client.call("RemoveImage", {"image": {"image": arguments.pulled}})
        except CallFailed as failed:
            problems.append(str(failed))
        if node.status(writer)["state"] != "CONTAINER_RUNNING":
            problems.append("the container that writes does not run any more")
        problems += [line for line in node.difference(before, 30) if "descriptor: slipwayd " not in line]
        wrong = check_lines(f"{config['log_directory']}/writer.log")
        if wrong:
            problems.append(wrong)
        node.remove_pod(home)
        print(f"result: kills {arguments.kills} lives {sum(w.lives for w in workers)} problems {len(problems)}")
    finally:
        node.stop()
    for problem in problems:
        print("FAIL " + problem)
    if problems:
        sys.exit(1)


main()
