"""Attacks on the runner's command line: what bundles, volumes and callers of runc-like programs have been used for."""
import errno
import fcntl
import itertools
import os
import pty
import shutil
import signal
import socket
import subprocess
import termios
import time

import polarity
from bundles import Bundle, mount
from cases import Exchanger, until

TRIES = 60  # of a race that should be lost, unless the list of attacks says how often
LONG = 150  # seconds: of a race that should be won, which takes as many tries as it takes


class Runner(polarity.Polarity):
    withstood = TRIES

    def bundle(self):
        bundle = Bundle(self.programs + "/slipway", self.id().split(".")[-2].lower())
        self.addCleanup(bundle.remove)
        return bundle

    def outside(self, bundle):
        """A folder of the host that no container may change."""
        path = bundle.path + "/outside"
        os.makedirs(path)
        return path

    def tries(self):
        """As often as a race is run: its attack returns as soon as it is won."""
        if not os.environ.get("SLIPWAY_WEAKEN"):
            return range(self.withstood)
        end = time.monotonic() + LONG
        return itertools.takewhile(lambda _: time.monotonic() < end, itertools.count())

    def running(self, bundle):
        self.assertEqual(bundle.create("sleep", "1000"), 0, bundle.output())
        self.assertEqual(bundle.call("start", bundle.name).returncode, 0)


class Attack02(Runner):
    """A process of the pod's PID namespace looks into one that is made beside it and still has the runtime's memory."""

    defences = "undumpable"

    def attack(self):
        looker, made = self.bundle(), self.bundle()
        made.name += "-made"
        self.running(looker)
        made.config["linux"]["cgroupsPath"] += "-made"
        made.cgroup_path += "-made"
        shared = f"/proc/{looker.state_of()['pid']}/ns/pid"
        made.config["linux"]["namespaces"][0] = {"type": "pid", "path": shared}
        self.assertEqual(made.create("true"), 0, made.output())
        script = 'for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || readlink $p/exe; done'
        done = looker.call("exec", looker.name, "sh", "-c", script)
        return done.stdout.strip() != ""


class Attack03(Runner):
    """The runtime's own program is opened for writing through /proc/PID/exe once the process has ended."""

    defences = "sealed_program"

    def attack(self):
        bundle = self.bundle()
        bundle.slipway = shutil.copy(bundle.slipway, bundle.path + "/slipway")  # nobody else runs this one: ETXTBSY would hide the answer
        self.assertEqual(bundle.create("true"), 0, bundle.output())
        pid = bundle.state_of()["pid"]
        held = os.open(f"/proc/{pid}/exe", os.O_PATH)
        self.addCleanup(os.close, held)
        os.kill(pid, signal.SIGKILL)
        until("gone", lambda: not os.path.exists(f"/proc/{pid}/exe"))
        end = time.monotonic() + 10
        while True:
            try:
                os.close(os.open(f"/proc/self/fd/{held}", os.O_WRONLY))
                return True
            except OSError as refused:
                if refused.errno == errno.ETXTBSY and time.monotonic() < end:
                    continue  # the last of those who ran it is still on its way out
                self.assertEqual(refused.errno, errno.EROFS)
                return False


class Attack04(Runner):
    """A volume over a part of /proc forges what is read and written there."""

    defences = "proc_mounts"

    def attack(self):
        bundle = self.bundle()
        os.makedirs(bundle.path + "/volume")
        with open(bundle.path + "/volume/forged", "w", encoding="utf-8") as file:
            file.write("forged\n")
        bundle.config["mounts"].append(mount("/proc/sys/kernel", "bind", bundle.path + "/volume", "rbind"))
        return bundle.shell("cat /proc/sys/kernel/forged").stdout == "forged\n"


class Attack05(Runner):
    """/proc of a shared root changes places with a link while containers start: procfs lands elsewhere, masks and labels go nowhere."""

    defences = "real_proc"

    def attack(self):
        bundle = self.bundle()
        os.makedirs(bundle.rootfs + "/work/target")
        os.symlink("/work/target", bundle.rootfs + "/work/link")
        with Exchanger(bundle.rootfs + "/proc", bundle.rootfs + "/work/link"):
            for _ in self.tries():
                if " /work/target " in bundle.shell("cat /proc/self/mountinfo /work/target/self/mountinfo").stdout:
                    return True
        return False


class Attack06(Runner):
    """A link of the root at a mount's target leads to the host."""

    defences = "in_root"

    def attack(self):
        bundle = self.bundle()
        outside = self.outside(bundle)
        os.symlink(outside, bundle.rootfs + "/link")
        bundle.config["mounts"].append(mount("/link/below", "tmpfs", "tmpfs"))
        bundle.shell("true")
        return os.listdir(outside) != []


class Attack07(Runner):
    """A volume's folder changes places with a link to the host while a file is mounted beneath it."""

    defences = "in_root"
    withstood = 1000
    mounts = [mount("/volume/a/file", "bind", "/etc/hostname", "bind")]

    def attack(self):
        bundle = self.bundle()
        outside = self.outside(bundle)
        os.makedirs(bundle.rootfs + "/volume/a")
        os.symlink(outside, bundle.rootfs + "/volume/b")
        bundle.config["mounts"] += self.mounts
        with Exchanger(bundle.rootfs + "/volume/a", bundle.rootfs + "/volume/b"):
            for _ in self.tries():
                bundle.run("true")
                if os.listdir(outside):
                    return True
        return False


class Attack14(Attack07):
    """The same race, for the folders that a runtime makes on the way."""

    mounts = [mount("/volume/a/made/here", "tmpfs", "tmpfs")]


class Attack09(Runner):
    """`exec --cap` gives inheritable capabilities."""

    defences = "no_inheritable"

    def attack(self):
        bundle = self.bundle()
        self.running(bundle)
        done = bundle.call("exec", "--cap", "CAP_NET_RAW", bundle.name, "grep", "^CapInh", "/proc/self/status")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()[1] != "0" * 16


class Attack12(Runner):
    """/proc or /sys of the image is a link: what is masked there stays open."""

    defences = "real_proc"

    def attack(self):
        return any([self.attack_with(name) for name in ("proc", "sys")])

    def attack_with(self, name):
        bundle = self.bundle()
        os.rmdir(f"{bundle.rootfs}/{name}")
        os.symlink("/work", f"{bundle.rootfs}/{name}")
        return bundle.run("true").returncode == 0


class Attack13(Runner):
    """The working directory is a descriptor of the host's that was left open: runc's leaky vessels."""

    defences = "close_descriptors,cwd_in_root"

    def attack(self):
        bundle = self.bundle()
        with open(bundle.path + "/marker", "w", encoding="utf-8"):
            pass
        leaked = os.open(bundle.path, os.O_RDONLY)
        self.addCleanup(os.close, leaked)
        for number in range(3, leaked + 1):
            bundle.config["process"]["cwd"] = f"/proc/self/fd/{number}"
            if "marker" in bundle.run("ls", pass_fds=(leaked,)).stdout:
                return True
        return False


class Attack16(Runner):
    """What is bound over masked paths is not the null device."""

    defences = "null_device"

    def attack(self):
        bundle = self.bundle()
        with open(bundle.path + "/secret", "w", encoding="utf-8") as file:
            file.write("secret\n")
        bundle.config["process"]["args"] = ["cat", "/proc/keys"]
        bundle.save()
        script = 'mount --bind "$1" /dev/null && shift && exec "$@"'
        words = [bundle.slipway, "--root", bundle.state, "run", "-b", bundle.path, bundle.name]
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", bundle.path + "/secret", *words],
                              capture_output=True, text=True, check=False, timeout=60)
        return "secret" in done.stdout


class Attack17(Runner):
    """/dev/console of a volume is a link: the terminal is bound over a file of the host's."""

    defences = "console_target,in_root"

    def attack(self):
        bundle = self.bundle()
        with open(self.outside(bundle) + "/victim", "w", encoding="utf-8"):
            pass
        volume = bundle.path + "/volume"
        for name in ("pts", "shm", "mqueue"):
            os.makedirs(f"{volume}/{name}")
        os.symlink(bundle.path + "/outside/victim", volume + "/console")
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/dev"]
        bundle.config["mounts"].insert(1, mount("/dev", "bind", volume, "rbind"))
        bundle.config["process"]["terminal"] = True
        path = bundle.path + "/console.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen()
            return bundle.create("true", flags=["--console-socket", path]) == 0


class Attack18(Runner):
    """A mount over a part of /proc catches what the runtime writes there."""

    defences = "proc_beneath"

    def attack(self):
        bundle = self.bundle()
        bundle.config["linux"]["sysctl"] = {"kernel.domainname": "caught"}
        bundle.config["process"]["args"] = ["true"]
        bundle.save()
        with open(bundle.path + "/fake", "w", encoding="utf-8"):
            pass
        script = 'mount --bind "$1" /proc/sys/kernel/domainname && shift && exec "$@"'
        words = [bundle.slipway, "--root", bundle.state, "run", "-b", bundle.path, bundle.name]
        subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", bundle.path + "/fake", *words], capture_output=True, check=False, timeout=60)
        with open(bundle.path + "/fake", encoding="utf-8") as file:
            return "caught" in file.read()


class Attack19(Runner):
    """`exec -u` of a number beyond 32 bits becomes root."""

    defences = "exec_numbers"

    def attack(self):
        bundle = self.bundle()
        self.running(bundle)
        for user in ("1", "1:2", "65534"):
            done = bundle.call("exec", "-u", user, bundle.name, "id", "-u")
            self.assertEqual(done.stdout, user.split(":", maxsplit=1)[0] + "\n", done.stderr)
        return bundle.call("exec", "-u", "4294967296", bundle.name, "id", "-u").stdout == "0\n"


class Attack20(Runner):
    """/dev of the image is a link and nothing is mounted on it: devices are made on the host."""

    defences = "dev_directory"

    def attack(self):
        bundle = self.bundle()
        outside = self.outside(bundle)
        os.rmdir(bundle.rootfs + "/dev")
        os.symlink(outside, bundle.rootfs + "/dev")
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if not m["destination"].startswith("/dev")]
        bundle.run("true")
        return os.listdir(outside) != []


class Attack21(Runner):
    """The caller's supplementary groups stay with the container's user."""

    defences = "groups"

    def attack(self):
        bundle = self.bundle()
        bundle.config["process"]["user"] = {"uid": 1000, "gid": 1000}
        done = bundle.run("grep", "^Groups", "/proc/self/status", preexec_fn=lambda: os.setgroups([4242]))
        self.assertEqual(done.returncode, 0, done.stderr)
        return "4242" in done.stdout


class Attack23(Runner):
    """The container keeps its caller's terminal, into which TIOCSTI types."""

    defences = "new_session"

    def attack(self):
        bundle = self.bundle()
        bundle.config["process"]["args"] = ["sh", "-c", "echo typed > /dev/tty && echo reached"]
        bundle.save()
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)

        def take_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        done = subprocess.run([bundle.slipway, "--root", bundle.state, "run", "-b", bundle.path, bundle.name], stdin=slave, capture_output=True,
                              text=True, preexec_fn=take_terminal, timeout=60, check=False)
        os.close(slave)
        return "reached" in done.stdout


class Attack24(Runner):
    """16, 17 and 12, as another runtime had them: each has to get through by itself where its own defence is off."""

    defences = "null_device,console_target,in_root,real_proc"

    def attack(self):
        weakened = bool(os.environ.get("SLIPWAY_WEAKEN"))
        through = [self.alone(one, weakened) for one in (Attack12, Attack16, Attack17)]
        return all(through) if weakened else any(through)

    def alone(self, one, weakened):
        case = one("test_released_programs_withstand")
        case.programs = self.programs
        if weakened:
            os.environ["SLIPWAY_WEAKEN"] = one.defences
        try:
            return case.attack()
        finally:
            case.doCleanups()


class Attack37(Runner):
    """/etc of the image is a link: what a runtime puts into it lands on the host."""

    defences = "in_root"

    def attack(self):
        bundle = self.bundle()
        outside = self.outside(bundle)
        os.rmdir(bundle.rootfs + "/etc")
        os.symlink(outside, bundle.rootfs + "/etc")
        bundle.config["mounts"].append(mount("/etc/resolv.conf", "bind", "/etc/hostname", "bind"))
        bundle.run("true")
        return os.listdir(outside) != []


class Attack43(Runner):
    """The image's environment names a library (here: a shell's start file) of the image, which a hook of the host then runs."""

    defences = "hook_environment"

    def attack(self):
        bundle = self.bundle()
        outside = self.outside(bundle)
        with open(bundle.rootfs + "/work/evil", "w", encoding="utf-8") as file:
            file.write(f"echo taken over > {outside}/file\n")
        bundle.config["process"]["env"].append(f"BASH_ENV={bundle.rootfs}/work/evil")
        bundle.config["hooks"] = {"createContainer": [{"path": "/bin/bash", "args": ["bash", "-c", "true"]}]}
        self.assertEqual(bundle.run("true").returncode, 0)
        return os.path.exists(outside + "/file")
