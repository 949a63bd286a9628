"""A slipwayd of the test's own, the calls that a kubelet makes of it, and the probe's view of the machine."""
import importlib.machinery
import importlib.util
import itertools
import json
import os
import queue
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROBE = os.path.join(HERE, "../../vm/guest/probe")


def load_probe():
    loader = importlib.machinery.SourceFileLoader("probe", PROBE)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("probe", loader))
    loader.exec_module(module)
    return module


class CallFailed(Exception):
    def __init__(self, method, code, message):
        super().__init__(f"{method}: {code}: {message}")
        self.code, self.message = code, message


class Client:
    """cri_batch: any number of calls at once through one connection."""

    def __init__(self, endpoint):
        program = os.path.join(os.environ["SLIPWAY_TESTS"], "cri_batch")
        self.process = subprocess.Popen([program, endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tags = itertools.count(1)
        self.waiting = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            tag, code, text = line.rstrip("\n").split(" ", 2)
            with self.lock:
                self.waiting.pop(tag).put((code, text))

    def begin(self, method, request=None, deadline=120.0):
        """The call is made; its end is waited for by `end`."""
        answer = queue.Queue()
        with self.lock:
            tag = str(next(self.tags))
            self.waiting[tag] = answer
            self.process.stdin.write(f"{tag} {int(deadline * 1000)} {method} {json.dumps(request or {})}\n")
            self.process.stdin.flush()
        return method, answer, tag

    def cancel(self, begun):
        with self.lock:
            self.process.stdin.write(f"{begun[2]} cancel\n")
            self.process.stdin.flush()

    @staticmethod
    def end(begun, timeout=300):
        method, answer, _ = begun
        code, text = answer.get(timeout=timeout)
        if code != "OK":
            raise CallFailed(method, code, text)
        return json.loads(text)

    def call(self, method, request=None, deadline=120.0):
        return self.end(self.begin(method, request, deadline))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Node:
    def __init__(self, case_dir, cni_conf, cni_bin, faults=True):
        self.dir = case_dir
        self.endpoint = f"unix://{case_dir}/slipway.sock"
        self.faults = os.path.join(case_dir, "faults") if faults else None
        self.command = ["slipwayd", "--listen", self.endpoint, "--root", f"{case_dir}/root", "--state", f"{case_dir}/state",
                        "--cni-conf-dir", cni_conf, "--cni-bin-dir", cni_bin]
        self.environment = dict(os.environ)
        if faults:
            os.makedirs(self.faults, exist_ok=True)
            self.environment["SLIPWAY_FAULTS"] = self.faults
        os.environ["PROBE_ROOTS"] = f"{case_dir}/root:{case_dir}/state"
        self.probe = load_probe()
        self.process = None
        self.client = Client(self.endpoint)
        self.names = itertools.count(1)
        self.image = None
        self.starts = 0

    # --- slipwayd ---------------------------------------------------------------------------------------------------

    def start(self, dies=False):
        """Back when it answers; `dies`: back when a planned fault has killed it on its way there."""
        with open(f"{self.dir}/slipwayd.log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stderr=log)
        self.starts += 1
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.call("Version", deadline=5)
                return
            except CallFailed:
                if dies and self.process.poll() is not None:
                    return
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.client.close()

    def died(self, seconds):
        try:
            self.process.wait(timeout=seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    # --- faults -----------------------------------------------------------------------------------------------------

    def plan(self, text):
        path = f"{self.faults}/plan"
        if text is None:
            if os.path.exists(path):
                os.unlink(path)
            return
        with open(path + ".new", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.rename(path + ".new", path)

    def planned(self):
        return os.path.exists(f"{self.faults}/plan")

    def take_trace(self):
        """The points that were passed since the last time: (operation, number, kinds, name)."""
        path = f"{self.faults}/trace"
        try:
            with open(path, encoding="utf-8") as stream:
                lines = stream.read().splitlines()
            os.unlink(path)
        except FileNotFoundError:
            return []
        points = []
        for line in lines:
            operation, number, kinds, name = line.split(" ", 3)
            points.append((operation, int(number), kinds.split(","), name))
        return points

    # --- what a kubelet does ----------------------------------------------------------------------------------------

    def pull(self, reference):
        return self.client.call("PullImage", {"image": {"image": reference}})["image_ref"]

    def pod_config(self, name=None, **more):
        name = name or f"p{next(self.names)}"
        return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}, "hostname": name,
                "log_directory": f"{self.dir}/logs/{name}",
                "linux": {"security_context": {"namespace_options": {"pid": "CONTAINER"}}}, **more}

    def run_pod(self, config=None, **how):
        return self.client.call("RunPodSandbox", {"config": config or self.pod_config()}, **how)["pod_sandbox_id"]

    def container_request(self, pod, config, command=("sleep", "1000"), name=None):
        name = name or f"c{next(self.names)}"
        return {"pod_sandbox_id": pod, "sandbox_config": config,
                "config": {"metadata": {"name": name}, "image": {"image": self.image}, "command": list(command),
                           "log_path": f"{name}.log",
                           "linux": {"security_context": {"namespace_options": {"pid": "CONTAINER"},
                                                          "seccomp": {"profile_type": "RuntimeDefault"}}}}}

    def create(self, pod, config, command=("sleep", "1000"), name=None):
        return self.client.call("CreateContainer", self.container_request(pod, config, command, name))["container_id"]

    def start_container(self, container):
        self.client.call("StartContainer", {"container_id": container})

    def started(self, pod, config, command=("sleep", "1000"), name=None):
        container = self.create(pod, config, command, name)
        self.start_container(container)
        return container

    def status(self, container):
        return self.client.call("ContainerStatus", {"container_id": container})["status"]

    def pod_status(self, pod):
        return self.client.call("PodSandboxStatus", {"pod_sandbox_id": pod})["status"]

    def pods(self):
        return [item["id"] for item in self.client.call("ListPodSandbox").get("items", [])]

    def containers(self, pod=None):
        request = {"filter": {"pod_sandbox_id": pod}} if pod else {}
        return [item["id"] for item in self.client.call("ListContainers", request).get("containers", [])]

    def insist(self, method, request, tries=4):
        """As a kubelet does with a stop or a remove: again until it is done."""
        for left in range(tries - 1, -1, -1):
            try:
                return self.client.call(method, request)
            except CallFailed:
                if left == 0:
                    raise
                time.sleep(0.2)

    def remove_container(self, container):
        self.insist("StopContainer", {"container_id": container, "timeout": 0})
        self.insist("RemoveContainer", {"container_id": container})

    def remove_pod(self, pod):
        self.insist("StopPodSandbox", {"pod_sandbox_id": pod})
        self.insist("RemovePodSandbox", {"pod_sandbox_id": pod})

    def remove_others(self, kept_pods=(), kept_containers=()):
        """What it did not ask for, or does not want any more, a kubelet removes."""
        for container in self.containers():
            if container not in kept_containers:
                self.remove_container(container)
        for pod in self.pods():
            if pod not in kept_pods:
                self.remove_pod(pod)

    # --- the machine ------------------------------------------------------------------------------------------------

    def snapshot(self):
        return self.probe.snapshot()

    def difference(self, before, seconds=10, keep=lambda lines: lines):
        """What is not as before, once the kernel had its time."""
        deadline = time.monotonic() + seconds
        while True:
            lines = self.probe.difference(before, keep(self.snapshot()))
            if not lines or time.monotonic() > deadline:
                return lines
            time.sleep(0.1)
