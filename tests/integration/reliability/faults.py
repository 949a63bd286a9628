"""Every step of an operation fails once, and slipwayd is killed at it once; after recovery nothing may be left.

faults.py --image REFERENCE [--operations A,B] [--every N --offset K] [--report FILE]
The steps come from the program itself: a run without a plan lists the points that it passes (base/fault.h).
"""
import argparse
import hashlib
import os
import stat
import sys
import time

from node import CallFailed, Node

CALL_SECONDS = 90


def without_daemon(lines):
    """Which descriptors a fresh slipwayd has open depends on what it has done so far."""
    return [line for line in lines if not line.startswith("descriptor: slipwayd ")]


class Scenario:
    """How an operation is brought about, in a world with one living pod `home` that nothing may hurt."""

    def __init__(self, node, home, home_config):
        self.node, self.home, self.home_config = node, home, home_config

    def prepare(self):
        return None

    again = False  # repeated although nobody was told an id
    owes_rest = False  # a failure may leave the image store something to delete: the repetition does it

    def request(self, prepared):
        raise NotImplementedError

    def repeat(self, prepared):
        """What a kubelet calls again after an error; nothing for what makes things."""


class RunPodSandbox(Scenario):
    def request(self, prepared):
        return {"config": self.node.pod_config()}


class OnPod(Scenario):
    def prepare(self):
        config = self.node.pod_config()
        pod = self.node.run_pod(config)
        self.node.started(pod, config)
        return pod

    def request(self, prepared):
        return {"pod_sandbox_id": prepared}

    def repeat(self, prepared):
        self.node.insist(type(self).__name__, {"pod_sandbox_id": prepared})


class StopPodSandbox(OnPod):
    pass


class RemovePodSandbox(OnPod):
    pass


class CreateContainer(Scenario):
    def request(self, prepared):
        return self.node.container_request(self.home, self.home_config)


class StartContainer(Scenario):
    def prepare(self):
        return self.node.create(self.home, self.home_config)

    def request(self, prepared):
        return {"container_id": prepared}


class OnRunning(Scenario):
    def prepare(self):
        return self.node.started(self.home, self.home_config)

    def request(self, prepared):
        return {"container_id": prepared}

    def repeat(self, prepared):
        self.node.insist(type(self).__name__, self.request(prepared))


class StopContainer(OnRunning):
    def request(self, prepared):
        return {"container_id": prepared, "timeout": 1}


class RemoveContainer(OnRunning):
    pass


class ExecSync(OnRunning):
    def request(self, prepared):
        return {"container_id": prepared, "cmd": ["true"], "timeout": 30}

    def repeat(self, prepared):
        pass


class PullImage(Scenario):
    reference = None
    again = True

    def request(self, prepared):
        return {"image": {"image": self.reference}}

    def repeat(self, prepared):
        self.node.insist("PullImage", self.request(prepared))


class RemoveImage(PullImage):
    owes_rest = True

    def prepare(self):
        self.node.client.call("PullImage", self.request(None), deadline=CALL_SECONDS)
        return self.reference

    def repeat(self, prepared):
        self.node.insist("RemoveImage", self.request(prepared))


SCENARIOS = [RunPodSandbox, CreateContainer, StartContainer, ExecSync, StopContainer, RemoveContainer, StopPodSandbox, RemovePodSandbox,
             PullImage, RemoveImage]
# Processes beside slipwayd that pass points of their own: who dies there leaves slipwayd alive.
HELPERS = ("Monitor", "ImageWorker")


class ImageStore:
    """What lies in the store's folder of layers: the probe leaves it to us, since images may stay."""

    def __init__(self, node):
        self.layers = os.path.join(node.dir, "root", "images", "layers")
        self.files = {}  # digests by inode: a busybox has hundreds of names
        self.seen = {}  # by chain: its content when it was first there, which is by a pull without a fault
        self.problems()
        self.first = set(self.seen)

    def problems(self):
        """Only whole layers, with the content that they had before."""
        found = []
        for name in sorted(os.listdir(self.layers)):
            path = os.path.join(self.layers, name)
            if len(name) != 64 or not os.path.exists(os.path.join(path, ".complete")):
                found.append(f"half a layer: {name}")
                continue
            content = self.content(path)
            if self.seen.setdefault(name, content) != content:
                found.append(f"layer {name} is not what it was")
        return found

    def more_than_at_first(self):
        return [f"layer {name}" for name in sorted(set(os.listdir(self.layers)) - self.first)]

    def file(self, path, info):
        key = (info.st_ino, info.st_ctime_ns, info.st_size)
        if key not in self.files:
            with open(path, "rb") as stream:
                self.files[key] = hashlib.sha256(stream.read()).digest()
        return self.files[key]

    def content(self, path):
        digest = hashlib.sha256()
        for folder, folders, files in os.walk(path):
            folders.sort()
            for name in [""] + sorted(files):
                at = os.path.join(folder, name)
                info = os.lstat(at)
                digest.update(f"{at} {info.st_mode} {info.st_uid} {info.st_gid} {info.st_rdev} {info.st_nlink}".encode(errors="surrogateescape"))
                if stat.S_ISREG(info.st_mode):
                    digest.update(self.file(at, info))
                elif stat.S_ISLNK(info.st_mode):
                    digest.update(os.fsencode(os.readlink(at)))
        return digest.hexdigest()


class Campaign:
    def __init__(self, node, arguments):
        self.node, self.arguments = node, arguments
        self.home_config = node.pod_config("home")
        self.home = node.run_pod(self.home_config)
        self.resident = node.started(self.home, self.home_config, name="resident")
        self.counts, self.failures, self.cycles = {}, [], 0
        self.store = ImageStore(node)

    def call(self, scenario, prepared):
        try:
            self.node.client.call(type(scenario).__name__, scenario.request(prepared), deadline=CALL_SECONDS)
            return None
        except CallFailed as failed:
            return failed

    def clean(self):
        self.node.remove_others([self.home], [self.resident])
        if self.images_more():
            self.node.client.call("RemoveImage", {"image": {"image": PullImage.reference}})

    def difference(self, before):
        """Without slipwayd's descriptors where `before` has none."""
        keep = any(line.startswith("descriptor: slipwayd ") for line in before)
        return self.node.difference(before, keep=lambda lines: lines if keep else without_daemon(lines))

    def steps(self, scenario):
        """A run without a plan: its points, of slipwayd, the monitor and the runner."""
        prepared = scenario.prepare()
        self.node.take_trace()
        failed = self.call(scenario, prepared)
        points = [p for p in self.node.take_trace() if p[0] == type(scenario).__name__ or p[0].startswith(HELPERS)]
        if isinstance(scenario, RemoveImage):  # the pull that made it is another operation
            points = [p for p in points if p[0] == "RemoveImage"]
        if failed:
            raise failed
        if isinstance(scenario, PullImage):
            self.complain(type(scenario).__name__, self.store.problems())
        if not any(p[0] == type(scenario).__name__ for p in points):
            sys.exit(f"{type(scenario).__name__} has passed no point: faults are not armed?")
        self.clean()
        return points

    def complain(self, what, lines):
        for line in lines:
            self.failures.append(f"{what}: {line}")
            print(f"FAIL {what}: {line}", flush=True)
        return bool(lines)

    def alive(self, what):
        """Nobody else is hurt: the other pod and its container are as they were."""
        state = self.node.pod_status(self.home)["state"]
        if state != "SANDBOX_READY":
            sys.exit(f"{what}: the other pod is {state}")
        state = self.node.status(self.resident)["state"]
        if state != "CONTAINER_RUNNING":
            sys.exit(f"{what}: the other pod's container is {state}")

    def cycle(self, scenario, point, kind, before):
        operation, number, _, name = point
        what = f"{type(scenario).__name__} {kind} at {operation} {number} ({name})"
        prepared = scenario.prepare()
        victim = f" {self.node.process.pid}" if kind == "kill-daemon" else ""
        self.node.plan(f"{operation} {number} {kind.split('-')[0]}{victim}")
        failed = self.call(scenario, prepared)
        if self.node.planned():
            self.node.plan(None)
            self.complain(what, ["this point was not passed again"])
        dies = kind == "kill-daemon" or (kind == "kill" and not operation.startswith(HELPERS))
        if dies:
            if not self.node.died(10):
                self.complain(what, ["slipwayd was not killed"])
                self.node.kill()
            self.node.start()
        self.alive(what)
        if failed and not prepared:
            # Nobody was told an id: whatever there is now must be listed, so that it can be removed.
            unlisted = [] if self.known_more() else self.difference(before)
            self.complain(what + ", before the kubelet cleans up", unlisted)
        images = isinstance(scenario, PullImage)
        if images and not (failed and scenario.owes_rest):
            self.complain(what + ", the image store", self.store.problems())
        if failed and (prepared or scenario.again):
            scenario.repeat(prepared)
            if images:
                self.complain(what + ", the image store after another try", self.store.problems())
        self.clean()
        if images:
            self.complain(what + ", layers of images that are gone", self.store.more_than_at_first())
        lines = self.difference(before)
        self.complain(what, lines)
        self.cycles += 1
        key = (type(scenario).__name__, kind)
        self.counts[key] = self.counts.get(key, 0) + 1
        return bool(lines)

    def known_more(self):
        return set(self.node.pods()) != {self.home} or set(self.node.containers()) != {self.resident} or self.images_more()

    def images_more(self):
        reference = PullImage.reference
        return any(reference in i.get("repo_tags", []) for i in self.node.client.call("ListImages").get("images", []))

    def run(self, scenario_type):
        scenario = scenario_type(self.node, self.home, self.home_config)
        self.steps(scenario)  # the first of its kind opens what stays open (a thread's epoll, a database's handle)
        points = self.steps(scenario)
        chosen = [(p, kind) for p in points for kind in self.kinds(p)]
        chosen = chosen[self.arguments.offset % self.arguments.every::self.arguments.every]
        print(f"{scenario_type.__name__}: {len(points)} points, {len(chosen)} cycles", flush=True)
        before = self.node.snapshot()
        # What fails in one and the same slipwayd comes first: then its descriptors count too.
        for point, kind in sorted(chosen, key=lambda c: c[1] != "fail"):
            if self.cycle(scenario, point, kind, before if kind == "fail" else without_daemon(before)):
                before = self.node.snapshot()  # each thing that is left is told once

    def recover(self):
        """slipwayd is killed once at each step of what it does at its start, behind a kill in the middle of making something."""
        # A start is killed before its record says what its monitor has made.
        for kind, at in ((RunPodSandbox, -3), (CreateContainer, -3), (StartContainer, -4)):
            scenario, name = kind(self.node, self.home, self.home_config), kind.__name__
            victim = [p for p in self.steps(scenario) if p[0] == name][at]
            before = without_daemon(self.node.snapshot())
            number = last = 0
            while number <= last:
                prepared = scenario.prepare()
                self.node.plan(f"{name} {victim[1]} kill")
                self.call(scenario, prepared)
                if not self.node.died(10):
                    sys.exit(f"slipwayd was not killed at {victim}")
                self.node.take_trace()
                if number:
                    self.node.plan(f"Recover {number} kill")
                self.node.start(dies=number > 0)
                if number == 0:
                    last = max((p[1] for p in self.node.take_trace() if p[0] == "Recover"), default=0)
                    print(f"Recover behind {name}: {last} points", flush=True)
                else:
                    if self.node.planned() or not self.node.died(10):
                        self.complain(f"Recover {number} behind {name}", ["slipwayd was not killed"])
                        self.node.plan(None)
                        self.node.kill()
                    self.node.start()
                    self.cycles += 1
                    self.counts[("Recover", "kill")] = self.counts.get(("Recover", "kill"), 0) + 1
                self.alive(f"Recover {number}")
                self.clean()
                if self.complain(f"Recover {number} behind {name}", self.difference(before)):
                    before = without_daemon(self.node.snapshot())
                number += 1 if number == 0 else self.arguments.every

    @staticmethod
    def kinds(point):
        if point[0].startswith(HELPERS):
            return point[2] + ["kill-daemon"]
        return point[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True)
    parser.add_argument("--pulled", required=True, help="another image, for PullImage")
    parser.add_argument("--operations", default="")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    arguments = parser.parse_args()
    began = time.monotonic()
    node = Node(os.environ["CASE_DIR"], os.environ["CNI_CONF"], os.environ["CNI_BIN"])
    node.start()
    try:
        node.image = node.pull(arguments.image)
        PullImage.reference = arguments.pulled
        campaign = Campaign(node, arguments)
        for scenario in SCENARIOS:
            if not arguments.operations or scenario.__name__ in arguments.operations.split(","):
                campaign.run(scenario)
        if not arguments.operations or "Recover" in arguments.operations.split(","):
            campaign.recover()
        campaign.alive("the end")
        node.remove_others()
    finally:
        node.plan(None)
        node.stop()
    for (operation, kind), count in sorted(campaign.counts.items()):
        print(f"result: {operation} {kind} {count}")
    print(f"result: cycles {campaign.cycles} failures {len(campaign.failures)} seconds {time.monotonic() - began:.0f}")
    if campaign.failures or campaign.cycles == 0:
        sys.exit(1)


main()
