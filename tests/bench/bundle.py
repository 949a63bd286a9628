"""A Kubernetes-like OCI bundle with a busybox root: the container that the runner bench starts by every runtime."""
import json
import os
import shutil

MASKED = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP").split()]
# What the kubelet binds into a container: a file each but the last.
FILES = ["hosts", "hostname", "resolv.conf", "termination-log"]
TARGETS = {"hosts": "/etc/hosts", "hostname": "/etc/hostname", "resolv.conf": "/etc/resolv.conf", "termination-log": "/dev/termination-log"}
CGROUP = "/slipway-bench-container"
SECRET = "/var/run/secrets/kubernetes.io/serviceaccount"


def seccomp(table):
    """The default profile's table (oci/seccomp-default.tsv) as linux.seccomp."""
    rules = []
    for line in open(table, encoding="utf-8"):
        if line.startswith("#") or not line.strip():
            continue
        name, action, when = (line.rstrip("\n").split("\t") + ["", ""])[:3]
        rule = {"names": [name], "action": "SCMP_ACT_ALLOW"}
        if action.startswith("errno"):
            rule.update(action="SCMP_ACT_ERRNO", errnoRet=int(action.split()[1]))
        if when:
            rule["args"] = [argument(part) for part in when.split(",")]
        rules.append(rule)
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": merged(rules)}


def argument(text):
    """`arg0 eq 8`; `arg0 masked_eq MASK` means that none of the mask's bits is set."""
    where, operator, number = text.split()
    index = int(where.removeprefix("arg"))
    if operator == "masked_eq":
        return {"index": index, "op": "SCMP_CMP_MASKED_EQ", "value": int(number, 0), "valueTwo": 0}
    return {"index": index, "op": f"SCMP_CMP_{operator.upper()}", "value": int(number, 0)}


def merged(rules):
    """Unconditional allows in one rule, as real profiles have them."""
    plain = [r["names"][0] for r in rules if r["action"] == "SCMP_ACT_ALLOW" and "args" not in r]
    return [{"names": plain, "action": "SCMP_ACT_ALLOW"}] + [r for r in rules if r["action"] != "SCMP_ACT_ALLOW" or "args" in r]


def mounts(bundle):
    def entry(destination, kind, source, *options):
        return {"destination": destination, "type": kind, "source": source, "options": list(options)}
    out = [
        entry("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        entry("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        entry("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        entry("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        entry("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        entry("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        entry("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
    ]
    out += [entry(TARGETS[name], "bind", f"{bundle}/files/{name}", "rbind", "rprivate", "rw") for name in FILES]
    out.append(entry(SECRET, "bind", f"{bundle}/files/secret", "rbind", "rprivate", "ro"))
    return out


def unseen(profile, number):
    """The profile with one answer changed: as good as the same, but no runtime has compiled it before."""
    profile["syscalls"][0]["names"].remove("vmsplice")
    profile["syscalls"].append({"names": ["vmsplice"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 + number % 4094})
    return profile


def can_ask_for_device_rules():
    """crun 1.8 raises RLIMIT_MEMLOCK before it loads a device filter, and fails where CAP_SYS_RESOURCE is missing."""
    with open("/proc/self/status", encoding="utf-8") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff"))
    return effective >> 24 & 1 == 1


# Of each kind one: asked for in a container that is only looked at, since the one that is timed has none. The shares are the
# most there can be: of what lies between, crun before 1.20 makes another cpu.weight (the line of old, not the curve).
RLIMITS = [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, {"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": 4 << 20}]
LIMITS = {"memory": {"memory": {"limit": 64 << 20, "reservation": 16 << 20, "swap": 96 << 20}}, "pids": {"pids": {"limit": 50}},
          "cpu": {"cpu": {"shares": 262144, "quota": 50000, "period": 100000}}, "cpuset": {"cpu": {"cpus": "0", "mems": "0"}}}


def limits():
    """Those whose controllers this host has."""
    with open("/sys/fs/cgroup/cgroup.controllers", encoding="utf-8") as file:
        there = file.read().split()
    out = {}
    for controller in there:
        for kind, values in LIMITS.get(controller, {}).items():
            out.setdefault(kind, {}).update(values)
    return out


def config(bundle, table, argv, variant=None, cgroup=CGROUP, memory=None, limited=False):
    profile = seccomp(table) if variant is None else unseen(seccomp(table), variant)
    capabilities = {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")}
    resources = {"devices": [{"allow": False, "access": "rwm"}]} if can_ask_for_device_rules() else {}
    resources |= {"memory": {"limit": memory}} if memory else {}
    resources |= limits() if limited else {}
    return {
        "ociVersion": "1.0.2",
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": argv, "cwd": "/", "env": ["PATH=/bin", "HOME=/root"],
                    "capabilities": capabilities, "noNewPrivileges": True, "oomScoreAdj": 1000} | ({"rlimits": RLIMITS} if limited else {}),
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "bench",
        "mounts": mounts(bundle),
        "linux": ({"resources": resources} if resources else {}) | {"cgroupsPath": cgroup, "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
                  "seccomp": profile, "maskedPaths": MASKED, "readonlyPaths": READONLY},
    }


def make(bundle, busybox, probe, table):
    """The bundle's folder with its root; `select` then writes the config.json of one command."""
    root = f"{bundle}/rootfs"
    for folder in ("bin", "proc", "sys", "dev", "etc", "tmp", "root", "var/run", "usr"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    os.makedirs(root + SECRET, exist_ok=True)
    shutil.copy(busybox, f"{root}/bin/busybox")
    for applet in ("sh", "true"):
        os.link(f"{root}/bin/busybox", f"{root}/bin/{applet}")
    shutil.copy(probe, f"{root}/bin/probe")
    os.makedirs(f"{bundle}/files/secret", exist_ok=True)
    for name in FILES:
        with open(f"{bundle}/files/{name}", "w", encoding="utf-8") as file:
            file.write("bench\n")
        if not TARGETS[name].startswith("/dev/"):
            open(root + TARGETS[name], "w", encoding="utf-8").close()
    with open(f"{bundle}/files/secret/token", "w", encoding="utf-8") as file:
        file.write("token\n")
    write_rules(f"{bundle}/rules", table)


def select(bundle, table, argv, variant=None, **more):
    with open(f"{bundle}/config.json", "w", encoding="utf-8") as file:
        json.dump(config(bundle, table, argv, variant, **more), file)


def write_rules(path, table):
    """The profile for compile_filter: `allow NAME`, `errno N NAME`, with `INDEX OP VALUE` where there is a condition."""
    with open(path, "w", encoding="utf-8") as file:
        for rule in seccomp(table)["syscalls"]:
            action = "0" if rule["action"] == "SCMP_ACT_ALLOW" else str(rule["errnoRet"])
            condition = "".join(f" {a['index']} {a['op'].removeprefix('SCMP_CMP_')} {a['value']}" for a in rule.get("args", []))
            for name in rule["names"]:
                file.write(f"{name} {action}{condition}\n")
