"""Pods with a user namespace, and pods whose resources change in place."""
import json

from kubelet.cri import check, same
from kubelet.node import Pod, read, write


def a_user_namespace(cri, image):
    """Ids of the kubelet's choice: the container's root is nobody on the host, volumes look as they are; the same after a restart."""
    mapping = [{"host_id": 524288, "container_id": 0, "length": 65536}]
    pod = Pod(cri, "mapped", image, security={"userns_options": {"mode": "POD", "uids": mapping, "gids": mapping}})
    pod.run()
    same(pod.status()["linux"]["namespaces"]["options"]["userns_options"]["uids"], [
        {"host_id": 524288, "container_id": 0, "length": 65536}], "the mapping in the status")
    pod.container("main", ["sh", "-c", "cat /proc/self/uid_map; echo mine >/data/file; stat -c %u /data/file; trap 'exit 5' TERM; "
                           "while :; do sleep 0.2; done"], volumes={"/data": "work"})
    pid = int(_info(cri, pod, "main")["pid"])
    uids = [line.split()[1] for line in read(f"/proc/{pid}/status").splitlines() if line.startswith("Uid:")]
    same(uids, ["524288"], "the container's root on the host")
    cri.restart()
    same(pod.exec("main", ["id", "-u"]), (0, "0\n"), "exec after the restart")
    pod.kill("main", 10)
    same(pod.of("main")["exit_code"], 5, "exit code")
    pod.remove()


def _info(cri, pod, name):
    info = cri("ContainerStatus", {"container_id": pod.ids[name], "verbose": True})["info"]
    return json.loads(next(iter(info.values())))


def a_resize(cri, image):
    """In place: the pod's cgroup by the kubelet, UpdatePodSandboxResources around it, the container's by a patch, and the status that settles it."""
    pod = Pod(cri, "sized", image, resources={"cpu_period": "100000", "cpu_quota": "100000", "cpu_shares": "512", "memory_limit_in_bytes": "134217728"})
    pod.run()
    write(f"{pod.cgroup}/memory.max", "134217728")
    pod.container("main", ["sh", "-c", "while :; do sleep 0.2; done"],
                  resources={"cpu_quota": "50000", "cpu_shares": "256", "memory_limit_in_bytes": "67108864"})
    _applied(pod, "50000", "256", "67108864")

    # Up: the pod first, then the container; the kubelet tells the runtime before it changes the pod's cgroup, and may take it back.
    _tell_pod(cri, pod, "268435456")
    write(f"{pod.cgroup}/memory.max", "268435456")
    _update(cri, pod, {"cpu_period": "100000", "cpu_quota": "80000", "cpu_shares": "512", "memory_limit_in_bytes": "134217728"})
    _applied(pod, "80000", "512", "134217728")
    cri.restart()
    _applied(pod, "80000", "512", "134217728")

    # The CPU manager sends its set alone: zero means unchanged.
    _update(cri, pod, {"cpuset_cpus": "0"})
    _applied(pod, "80000", "512", "134217728")
    same(pod.exec("main", ["cat", "/sys/fs/cgroup/cpuset.cpus.effective"])[1], "0\n", "cpuset")

    # Down below what is in use fails by name, the container lives and the status says what is in force.
    same(pod.exec("main", ["sh", "-c", "dd if=/dev/zero of=/dev/shm/held bs=1M count=40 2>/dev/null"])[0], 0, "40 MiB held")
    call = cri.begin("UpdateContainerResources", {"container_id": pod.ids["main"], "linux": {"memory_limit_in_bytes": "16777216"}})
    call.done.wait()
    check(call.code != "OK" and "memory" in call.text, f"a limit below what is held: {call.code} {call.text}")
    check(pod.running("main"), "and it lives")
    _applied(pod, "80000", "512", "134217728")
    # Down above it, the container first.
    _update(cri, pod, {"memory_limit_in_bytes": "67108864"})
    write(f"{pod.cgroup}/memory.max", "134217728")
    _tell_pod(cri, pod, "134217728")
    _applied(pod, "80000", "512", "67108864")
    pod.kill("main", 2)
    pod.remove()


def _tell_pod(cri, pod, memory):
    cri("UpdatePodSandboxResources", {"pod_sandbox_id": pod.id, "overhead": {}, "resources": {
        "cpu_period": "100000", "cpu_quota": "100000", "cpu_shares": "512", "memory_limit_in_bytes": memory}})


def _update(cri, pod, linux):
    cri("UpdateContainerResources", {"container_id": pod.ids["main"], "linux": linux})


def _applied(pod, quota, shares, memory):
    """What the status says, and what the cgroup has."""
    linux = pod.of("main")["resources"]["linux"]
    same((linux["cpu_quota"], linux["cpu_shares"], linux["memory_limit_in_bytes"]), (quota, shares, memory), "resources of the status")
    same(pod.exec("main", ["cat", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max"])[1], f"{memory}\n{quota} 100000\n", "the cgroup's files")
