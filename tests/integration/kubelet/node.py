"""What a kubelet does with a pod: its requests in their order, and every field that it reads looked at each time."""
import base64
import glob
import hashlib
import os
import shutil
import time

from kubelet.cri import CASE_DIR, Failed, check, decoded, same, wait_for

NODE = "/sys/fs/cgroup/kubepods-case"
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
CONTROLLERS = "+cpuset +cpu +io +memory +hugetlb +pids"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


class Pod:
    """A static pod. What changes is in `self.attempts`: how often each container was made."""

    def __init__(self, cri, name, image, *, security=None, resources=None):
        self.cri, self.name, self.image = cri, name, image
        self.uid = hashlib.md5(name.encode()).hexdigest()
        self.folder = f"{CASE_DIR}/kubelet/pods/{self.uid}"
        self.logs = f"{CASE_DIR}/log/pods/kube-system_{name}_{self.uid}"
        self.cgroup = f"{NODE}/pod{self.uid}"
        self.security, self.resources = security or {}, resources or {}
        self.attempts, self.ids, self.id, self.ip, self.specs = {}, {}, None, None, {}
        self.labels = {"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.pod.uid": self.uid}

    # --- the sandbox

    def config(self):
        security = {"namespace_options": {"network": "POD", "pid": "CONTAINER", "ipc": "POD"}, "seccomp": {"profile_type": "RuntimeDefault"}}
        security["namespace_options"].update(self.security)
        return {"metadata": {"name": self.name, "uid": self.uid, "namespace": "kube-system", "attempt": 0}, "hostname": self.name,
                "log_directory": self.logs, "dns_config": {"servers": ["10.96.0.10"], "searches": ["svc"], "options": ["ndots:5"]},
                "labels": self.labels, "annotations": {"kubernetes.io/config.source": "file"},
                "linux": {"cgroup_parent": self.cgroup.removeprefix("/sys/fs/cgroup"), "security_context": security,
                          "overhead": {}, "resources": self.resources}}

    def run(self):
        """The pod's own cgroup is the kubelet's to make and to take away."""
        for path in (NODE, self.cgroup):
            os.makedirs(path, exist_ok=True)
            write(f"{path}/cgroup.subtree_control", CONTROLLERS)
        os.makedirs(self.logs, exist_ok=True)
        self.id = self.cri("RunPodSandbox", {"config": self.config()})["pod_sandbox_id"]
        status = self.status()
        same(status["state"], "SANDBOX_READY", f"{self.name}'s state")
        self.ip = status["network"]["ip"]
        check(self.ip, f"{self.name} has no address")
        write(f"{self.folder}/etc-hosts", f"127.0.0.1 localhost\n{self.ip} {self.name}\n")

    def status(self):
        reply = self.cri("PodSandboxStatus", {"pod_sandbox_id": self.id})
        status = reply["status"]
        same(status["id"], self.id, "the sandbox's id")
        for key in ("name", "uid", "namespace"):
            same(status["metadata"][key], self.config()["metadata"][key], f"the sandbox's {key}")
        same(status["labels"], self.labels, "the sandbox's labels")
        check(int(status["created_at"]) > 0, "created_at of the sandbox")
        if int(reply.get("timestamp", 0)):  # a promise to the kubelet
            same({one["id"] for one in reply.get("containers_statuses", [])}, set(self.listed()), "containers_statuses")
        return status

    def listed(self):
        """As the PLEG and getPodStatus list: by the pod's uid."""
        items = self.cri("ListContainers", {"filter": {"label_selector": {"io.kubernetes.pod.uid": self.uid}}}).get("containers", [])
        return {item["id"]: item for item in items}

    # --- containers

    def container(self, name, command, **more):
        """Kept for a restart: the pod's specification of one container."""
        self.specs[name] = (command, more)
        return self.start(name)

    def create(self, name):
        command, more = self.specs[name]
        attempt = self.attempts[name] = self.attempts.get(name, -1) + 1
        message = f"{self.folder}/containers/{name}/{attempt}"
        write(message, "")
        os.chmod(message, 0o666)
        os.makedirs(f"{self.logs}/{name}", exist_ok=True)
        mounts = [{"container_path": "/etc/hosts", "host_path": f"{self.folder}/etc-hosts"},
                  {"container_path": "/dev/termination-log", "host_path": message}]
        mounts += [{"container_path": path, "host_path": self.volume(volume)} for path, volume in more.get("volumes", {}).items()]
        config = {"metadata": {"name": name, "attempt": attempt}, "image": {"image": self.image, "user_specified_image": "busybox:latest"},
                  "command": command, "envs": [{"key": "KUBERNETES_SERVICE_HOST", "value": base64.b64encode(b"10.96.0.1").decode()}], "mounts": mounts,
                  "labels": {**self.labels, "io.kubernetes.container.name": name},
                  "annotations": {"io.kubernetes.container.hash": "5d41402a", "io.kubernetes.container.restartCount": str(attempt),
                                  "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
                                  "io.kubernetes.container.terminationMessagePolicy": "File", "io.kubernetes.pod.terminationGracePeriod": "30"},
                  "log_path": f"{name}/{attempt}.log",
                  "linux": {"resources": {"cpu_period": "100000", "cpu_shares": "102", "oom_score_adj": "996",
                                          "hugepage_limits": [{"page_size": "2MB", "limit": "0"}], **more.get("resources", {})},
                            "security_context": {"namespace_options": self.config()["linux"]["security_context"]["namespace_options"],
                                                 "run_as_user": {"value": "0"}, "masked_paths": MASKED, "readonly_paths": READONLY,
                                                 "seccomp": {"profile_type": "RuntimeDefault"}}}}
        request = {"pod_sandbox_id": self.id, "config": config, "sandbox_config": self.config()}
        self.ids[name] = self.cri("CreateContainer", request)["container_id"]
        return self.ids[name]

    def start(self, name):
        """startContainer: create, start; a new attempt each time."""
        self.cri("StartContainer", {"container_id": self.create(name)})
        return self.ids[name]

    def volume(self, name):
        path = f"{self.folder}/volumes/{name}"
        os.makedirs(path, exist_ok=True)
        return path

    def of(self, name):
        """ContainerStatus of the newest attempt, and what the kubelet makes of it without a field."""
        status = self.cri("ContainerStatus", {"container_id": self.ids[name]})["status"]
        same((status["id"], status["metadata"]["name"]), (self.ids[name], name), "whose status it is")
        same(int(status["metadata"].get("attempt", 0)), self.attempts[name], "attempt")
        same(status["annotations"]["io.kubernetes.container.restartCount"], str(self.attempts[name]), "the kubelet's own note")
        check(int(status["created_at"]) > 0 and status["image"]["image"] and status["image_ref"] and status["image_id"] == self.image,
              f"{name}: created_at or image of {status}")
        same(status["log_path"], f"{self.logs}/{name}/{self.attempts[name]}.log", "log_path")
        if status["state"] == "CONTAINER_EXITED":
            check(int(status["finished_at"]) >= int(status["started_at"]) > 0 or status["reason"] == "StartError", f"{name}: times of {status}")
            check(status.get("reason"), f"{name}: an end without a reason")
        return status

    def state(self, name):
        return self.of(name)["state"]

    def running(self, name):
        return self.state(name) == "CONTAINER_RUNNING"

    def ended(self, name, seconds=60):
        """The status of its end."""
        wait_for(seconds, f"end of {self.name}/{name}", lambda: self.state(name) == "CONTAINER_EXITED")
        return self.of(name)

    def message(self, name):
        """As the kubelet finds it: by the mounts that the status returns."""
        found = [mount["host_path"] for mount in self.of(name)["mounts"] if mount["container_path"] == "/dev/termination-log"]
        same(len(found), 1, "mounts at /dev/termination-log")
        return read(found[0])

    def log(self, name, attempt=None):
        """The lines of a log without what CRI puts before them, rotated files too, oldest first."""
        path = f"{self.logs}/{name}/{self.attempts[name] if attempt is None else attempt}.log"
        lines, part = [], ""
        for file in sorted(glob.glob(path + ".*")) + [path]:
            for line in read(file).splitlines():
                fields = line.split(" ", 3)
                part += fields[3]
                if fields[2] == "F":
                    lines.append(part)
                    part = ""
        return lines + ([part] if part else [])

    # --- what the kubelet does while they run

    def exec(self, name, command, timeout=10):
        """An exec probe, a preStop hook."""
        reply = self.cri("ExecSync", {"container_id": self.ids[name], "cmd": command, "timeout": timeout}, timeout)
        return int(reply.get("exit_code", 0)), decoded(reply, "stdout")

    def kill(self, name, grace):
        """killContainer: idempotent, with the container's grace; how long it took."""
        began = time.monotonic()
        self.cri("StopContainer", {"container_id": self.ids[name], "timeout": grace}, grace)
        return time.monotonic() - began

    def stop(self):
        self.cri("StopPodSandbox", {"pod_sandbox_id": self.id})
        same(self.status()["state"], "SANDBOX_NOTREADY", f"{self.name} after StopPodSandbox")

    def remove(self):
        """The pod's end: stopped twice as the kubelet may, containers and sandbox removed, its cgroup empty and the kubelet's to remove."""
        for container in self.listed():
            self.cri("StopContainer", {"container_id": container, "timeout": 2}, 2)
        self.stop()
        self.cri("StopPodSandbox", {"pod_sandbox_id": self.id})
        for container in self.listed():
            self.cri("RemoveContainer", {"container_id": container})
        self.cri("RemovePodSandbox", {"pod_sandbox_id": self.id})
        try:
            self.cri("PodSandboxStatus", {"pod_sandbox_id": self.id})
            check(False, "a removed sandbox has a status")
        except Failed as error:
            same(error.code, "NOT_FOUND", "status of a removed sandbox")
        os.rmdir(self.cgroup)
        shutil.rmtree(self.folder)


def end_node():
    for path in glob.glob(f"{NODE}/pod*") + [NODE]:
        if os.path.isdir(path):
            os.rmdir(path)
