"""slipwayd on this host for tests: roots of its own, pods on the host's network or with plugins of the test's making, calls by cri_call."""
import json
import os
import subprocess
import tempfile

from cases import until
from image import Image, write_oci_layout
from layer import Layer

IMAGE = "slipway.test/busybox:1"
MONITORS = "/sys/fs/cgroup/slipway-monitors"


def busybox():
    layer = Layer().dir("bin").dir("etc").file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n").program("bin/busybox", "/bin/busybox")
    for applet in ("sh", "sleep", "unshare", "true", "cat", "ls", "id"):
        layer.symlink("bin/" + applet, "busybox")
    return Image([layer], {"Cmd": ["/bin/sh"]})


class Daemon:
    """Started by the constructor; `close` ends it and takes its folders away. `programs` is the folder of the programs, `build` the build's."""

    def __init__(self, build, programs, root=None, config=""):
        self.build, self.programs = build, programs
        self.dir = tempfile.mkdtemp(prefix="slipway-daemon-")
        self.root, self.state, self.plugins, self.networks = root or self.dir + "/root", self.dir + "/state", self.dir + "/bin", self.dir + "/net.d"
        for folder in (self.plugins, self.networks):
            os.makedirs(folder)
        with open(self.dir + "/config.toml", "w", encoding="utf-8") as file:
            file.write(config)
        self.endpoint = f"unix://{self.dir}/slipway.sock"
        self.parent = f"/slipway-test-{os.getpid()}-{os.path.basename(self.dir)[-8:]}"
        self.log = open(self.dir + "/log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.monitors_before = self.monitor_cgroups()
        self.process = subprocess.Popen(
            [programs + "/slipwayd", "--listen", self.endpoint, "--root", self.root, "--state", self.state, "--cni-conf-dir", self.networks,
             "--cni-bin-dir", self.plugins, "--config", self.dir + "/config.toml"], stderr=self.log, umask=0)
        until("answer of slipwayd", lambda: self.slipctl("version").returncode == 0 or self.process.poll() is not None)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        subprocess.run(["rm", "-rf", "--one-file-system", self.dir], check=False)
        for path in ("/sys/fs/cgroup" + self.parent, MONITORS):
            try:
                os.rmdir(path)
            except OSError:
                pass  # another test's, or absent

    def words(self):
        """The log so far: what a failed test shows."""
        with open(self.dir + "/log", encoding="utf-8") as file:
            return file.read()

    def slipctl(self, *words):
        return subprocess.run([self.build + "/bin/slipctl", *words], env={"SLIPWAY_ENDPOINT": self.endpoint}, capture_output=True, text=True,
                              check=False, timeout=120)

    def call(self, method, request):
        """(True, reply) or (False, "CODE: message")."""
        done = subprocess.run([self.build + "/tests/cri_call", self.endpoint, method, json.dumps(request)], capture_output=True, text=True,
                              check=False, timeout=120)
        return (True, json.loads(done.stdout)) if done.returncode == 0 else (False, done.stdout + done.stderr)

    def cri(self, method, request):
        good, reply = self.call(method, request)
        if not good:
            raise AssertionError(f"{method}: {reply}\n{self.words()}")
        return reply

    def load(self, image=None, name=IMAGE):
        folder = tempfile.mkdtemp(dir=self.dir)
        write_oci_layout(image or busybox(), folder + "/layout", name)
        done = self.slipctl("load", folder + "/layout")
        if done.returncode != 0:
            raise AssertionError(done.stderr + self.words())

    def pod_config(self, name="pod", **linux):
        security = {"namespace_options": {"network": "NODE", "pid": "CONTAINER"}}
        return {"metadata": {"name": name, "namespace": "default", "uid": "uid-" + name}, "log_directory": self.dir + "/logs",
                "linux": {"cgroup_parent": self.parent, "security_context": security, **linux}}

    def run_pod(self, name="pod"):
        return self.cri("RunPodSandbox", {"config": self.pod_config(name)})["pod_sandbox_id"]

    @staticmethod
    def container_config(name, *command):
        security = {"namespace_options": {"network": "NODE", "pid": "CONTAINER"}, "seccomp": {"profile_type": "RuntimeDefault"}}
        return {"metadata": {"name": name}, "image": {"image": IMAGE}, "command": list(command), "linux": {"security_context": security}}

    def run_container(self, pod, name, *command):
        request = {"pod_sandbox_id": pod, "config": self.container_config(name, *command), "sandbox_config": self.pod_config()}
        container = self.cri("CreateContainer", request)["container_id"]
        self.cri("StartContainer", {"container_id": container})
        return container

    def status(self, container):
        return self.cri("ContainerStatus", {"container_id": container})["status"]

    def remove_pod(self, pod):
        self.cri("RemovePodSandbox", {"pod_sandbox_id": pod})

    @staticmethod
    def monitor_cgroups():
        return {name for name in os.listdir(MONITORS) if os.path.isdir(f"{MONITORS}/{name}")} if os.path.isdir(MONITORS) else set()

    def left(self):
        """What of pods and containers is there: files, cgroups, mounts, network namespaces."""
        found = []
        for folder in (self.state + "/pods", self.root + "/images/containers", "/sys/fs/cgroup" + self.parent):
            if os.path.isdir(folder):
                found += [f"{folder}/{name}" for name in os.listdir(folder) if os.path.isdir(f"{folder}/{name}")]
        for name in self.monitor_cgroups() - self.monitors_before:
            try:
                with open(f"{MONITORS}/{name}/cgroup.procs", encoding="utf-8") as file:
                    found += [] if file.read() else [f"{MONITORS}/{name}"]  # one with processes may be another test's
            except OSError:
                pass
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            found += [line.split()[4] for line in file if self.state + "/" in line]
        return found
