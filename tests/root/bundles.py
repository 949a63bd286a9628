"""OCI bundles with a busybox root and `slipway` as a command, for the runner's tests."""
import copy
import json
import os
import shutil
import subprocess
import tempfile

APPLETS = ("sh true false cat ls id echo env sleep hostname mount ps stat touch mkdir grep readlink tty umask dd kill wc tr sort "
           "head tail test printf chmod ln sysctl stty").split()
HYBRID = os.path.exists("/sys/fs/cgroup/unified/cgroup.procs")
CGROUPS = "/sys/fs/cgroup/unified" if HYBRID else "/sys/fs/cgroup"
CAPS = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE"]


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


BASE = {
    "ociVersion": "1.2.0",
    "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["true"], "cwd": "/", "env": ["PATH=/bin"],
                "capabilities": {"bounding": CAPS, "effective": CAPS, "permitted": CAPS}, "noNewPrivileges": True},
    "root": {"path": "rootfs"},
    "hostname": "inside",
    "mounts": [
        mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
    ],
    "linux": {
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/acpi", "/proc/no-such-file", "/sys/firmware"],
        "readonlyPaths": ["/proc/sys", "/proc/bus", "/proc/sysrq-trigger"],
    },
}


class Bundle:
    """A folder with rootfs and config.json; `slipway` is called on it with a state root of its own."""

    def __init__(self, slipway, name):
        self.slipway = slipway
        self.name = name
        self.path = tempfile.mkdtemp(prefix=f"slipway-{name}-")
        self.rootfs = self.path + "/rootfs"
        self.state = self.path + "/state"
        for folder in ("bin", "proc", "sys", "dev", "etc", "tmp", "work"):
            os.makedirs(f"{self.rootfs}/{folder}")
        shutil.copy("/bin/busybox", self.rootfs + "/bin/busybox")
        for applet in APPLETS:
            os.link(self.rootfs + "/bin/busybox", f"{self.rootfs}/bin/{applet}")
        self.config = copy.deepcopy(BASE)
        self.cgroup_path = f"/slipway-test/{name}-{os.getpid()}"
        self.config["linux"]["cgroupsPath"] = self.cgroup_path

    def save(self):
        with open(self.path + "/config.json", "w", encoding="utf-8") as file:
            json.dump(self.config, file)
        if "seccomp" in self.config["linux"]:
            self.prove(self.config["linux"]["seccomp"])

    PROVED = set()

    def prove(self, profile):
        """No filter of a test's goes unproved: our compiler and libseccomp give the same answers (tests/unit/runtime_seccomp)."""
        text = json.dumps({**profile, "listenerPath": "/agent"} if "listenerPath" in profile else profile)
        if text in self.PROVED:
            return
        self.PROVED.add(text)
        with open(self.path + "/profile.json", "w", encoding="utf-8") as file:
            file.write(text)
        program = os.path.join(os.path.dirname(self.slipway), "../tests/seccomp_equal")
        done = subprocess.run([program, self.path + "/profile.json"], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode not in (0, 3):  # 3: the runner refuses it too
            raise AssertionError(f"{text}: {done.stdout}{done.stderr}")

    def call(self, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("timeout", 60)
        options.setdefault("capture_output", True)
        return subprocess.run([self.slipway, "--root", self.state, *words], text=True, check=False, **options)

    def run(self, *args, **options):
        self.config["process"]["args"] = list(args)
        self.save()
        return self.call("run", "--bundle", self.path, self.name, **options)

    def shell(self, script, **options):
        return self.run("sh", "-c", script, **options)

    def create(self, *args, flags=(), **options):
        """`create` gives its descriptors to the container: pipes would stay open, so files take the output."""
        self.config["process"]["args"] = list(args)
        self.save()
        with open(self.path + "/output", "w+", encoding="utf-8") as output:
            done = subprocess.run([self.slipway, "--root", self.state, "create", "--bundle", self.path, *flags, self.name],
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, check=False, **options)
        return done.returncode

    def output(self):
        with open(self.path + "/output", encoding="utf-8") as file:
            return file.read()

    def state_of(self):
        done = self.call("state", self.name)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def cgroup(self):
        return CGROUPS + self.cgroup_path

    def remove(self):
        self.call("delete", "--force", self.name)
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            os.rmdir(os.path.dirname(self.cgroup()))
        except OSError:
            pass  # another test's container is still in it
