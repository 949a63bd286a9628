"""The command line as callers of runc and crun write it: flags, what they hand over, what is printed."""
import json
import os
import re
import socket
import struct
import subprocess

from cases import SLIPWAY, Case, until


class Inherited(Case):
    """Descriptors that the caller hands over: a gap among them must never be filled with one of our own (CVE-2024-21626)."""

    def test_a_gap_is_refused(self):
        host = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, host)
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        for most in (3, 1000):
            done = self.bundle.call("run", "--preserve-fds", str(most), "-b", self.bundle.path, self.bundle.name, pass_fds=())
            self.refused("--preserve-fds: descriptor 3 is not open", done)
        self.assertEqual(self.bundle.create("sleep", "1000"), 0)
        done = self.bundle.call("exec", "--preserve-fds", "1", self.bundle.name, "true")
        self.assertEqual((done.returncode, "descriptor 3 is not open" in done.stderr), (255, True), done.stderr)

    def run_with(self, script, environment, descriptors, *flags):
        """`slipway` with these descriptors as 3, 4, …; $$ in the environment's values is its own process number."""
        self.config["process"]["args"] = ["sh", "-c", script]
        self.bundle.save()
        moves = " ".join(f"{3 + n}<&{fd}" for n, fd in enumerate(descriptors))
        command = (f"exec {moves}; exec env {environment} {SLIPWAY} --root {self.bundle.state} run {' '.join(flags)} -b {self.bundle.path} "
                   f"{self.bundle.name}")
        return subprocess.run(["bash", "-c", command], pass_fds=descriptors, capture_output=True, text=True, timeout=60, check=False)

    def test_socket_activation(self):
        with socket.socket(socket.AF_UNIX) as listener, open("/etc/passwd", "rb") as other:
            listener.bind(self.bundle.path + "/listener")
            listener.listen()
            # Far from 3 and 4, which the shell is to make of them.
            descriptors = [os.dup2(fd, 20 + n) for n, fd in enumerate((listener.fileno(), other.fileno()))]
            for fd in descriptors:
                self.addCleanup(os.close, fd)
            script = "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; readlink /proc/self/fd/3; readlink /proc/self/fd/4; ls /proc/self/fd | wc -l"
            done = self.run_with(script, "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web", descriptors, "--preserve-fds=1")
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = done.stdout.splitlines()
            self.assertEqual((lines[0], lines[1].startswith("socket:"), lines[2], lines[3]), ("1 1 web", True, "/etc/passwd", "6"), lines)
            # Meant for another process: nothing of it is handed on.
            done = self.run_with("env; ls /proc/self/fd | wc -l", "LISTEN_PID=1 LISTEN_FDS=1", descriptors)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("LISTEN", done.stdout)
            self.assertEqual(done.stdout.splitlines()[-1], "4")
            self.refused("LISTEN_FDS: 'x' is not a number from 0 to 1024", self.run_with("true", "LISTEN_PID=$$ LISTEN_FDS=x", descriptors))


class Environment(Case):
    def passwd(self, text):
        with open(self.bundle.rootfs + "/etc/passwd", "w", encoding="utf-8") as file:
            file.write(text)

    def test_home(self):
        self.assertEqual(self.shell("echo $HOME"), "/\n")
        self.passwd("broken\nroot:x:0:0:a comment:/house:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\nempty:x:7:7:::\n")
        self.assertEqual(self.shell("echo $HOME"), "/house\n")
        self.config["process"]["user"] = {"uid": 1000, "gid": 1000}
        self.assertEqual(self.shell("echo $HOME"), "/home/user\n")
        self.config["process"]["user"] = {"uid": 7, "gid": 7}
        self.assertEqual(self.shell("echo $HOME"), "/\n")
        self.config["process"]["env"].append("HOME=/given")
        self.assertEqual(self.shell("echo $HOME"), "/given\n")

    def test_home_of_exec(self):
        self.passwd("user:x:1000:1000::/home/user:/bin/sh\n")
        self.assertEqual(self.bundle.create("sleep", "1000"), 0)
        done = self.bundle.call("exec", "-u", "1000", self.bundle.name, "sh", "-c", "echo $HOME")
        self.assertEqual(done.stdout, "/home/user\n", done.stderr)

    def test_a_hostile_passwd(self):
        outside = self.bundle.path + "/outside"
        with open(outside, "w", encoding="utf-8") as file:
            file.write("root:x:0:0::/from/outside:/bin/sh\n")
        os.symlink("../" * 20 + outside[1:], self.bundle.rootfs + "/etc/passwd")
        self.assertEqual(self.shell("echo $HOME"), "/\n")
        os.unlink(self.bundle.rootfs + "/etc/passwd")
        for home in ["/" + 200_000 * "x", "relative", "/bell\x07"]:
            self.passwd(f"root:x:0:0::{home}:/bin/sh\n")
            self.assertEqual(self.shell("echo $HOME"), "/\n")
        os.unlink(self.bundle.rootfs + "/etc/passwd")
        os.mkfifo(self.bundle.rootfs + "/etc/passwd")  # nobody waits for a writer
        self.assertEqual(self.shell("echo $HOME"), "/\n")


class Flags(Case):
    def test_another_config(self):
        self.config["process"]["args"] = ["echo", "from another"]
        self.bundle.save()
        os.rename(self.bundle.path + "/config.json", self.bundle.path + "/other.json")
        for path in ("other.json", self.bundle.path + "/other.json"):
            done = self.bundle.call("run", "-b", self.bundle.path, "--config", path, self.bundle.name)
            self.assertEqual((done.returncode, done.stdout), (0, "from another\n"), done.stderr)
        self.refused("config.json", self.bundle.call("run", "-b", self.bundle.path, self.bundle.name))

    def test_letters_together(self):
        self.assertEqual(self.bundle.create("sleep", "1000"), 0)
        done = self.bundle.call("exec", "-u1000:7", "-eA=b", self.bundle.name, "sh", "-c", "id -u; echo $A")
        self.assertEqual(done.stdout.split(), ["1000", "b"], done.stderr)
        done = self.bundle.call("exec", "-dt", self.bundle.name, "true")
        self.assertIn("a detached process with a terminal needs --console-socket", done.stderr)
        self.assertIn("flag '-dz' is not known", self.bundle.call("exec", "-dz", self.bundle.name, "true").stderr)
        self.assertIn("flag needs an argument: --user", self.bundle.call("exec", "-du").stderr)


def on_this_host(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Alive(Case):
    """Verbs on a container that lives."""

    def setUp(self):
        super().setUp()
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        self.pid = self.bundle.state_of()["pid"]

    def test_ps_is_the_hosts(self):
        lines = self.bundle.call("ps", self.bundle.name).stdout.splitlines()
        self.assertEqual((len(lines), lines[0].split()[:2], lines[1].split()[1], lines[1].split()[-2:]),
                         (2, ["UID", "PID"], str(self.pid), ["sleep", "1000"]))
        done = self.bundle.call("ps", self.bundle.name, "-o", "comm,pid")
        self.assertEqual([line.split() for line in done.stdout.splitlines()], [["COMMAND", "PID"], ["sleep", str(self.pid)]])
        done = self.bundle.call("ps", self.bundle.name, "-o", "comm")
        self.assertEqual((done.returncode, "no column PID" in done.stderr), (1, True))
        self.assertIn("ended with", self.bundle.call("ps", self.bundle.name, "--no-such-flag").stderr)
        bare = dict(os.environ, PATH="/nowhere")
        self.assertEqual(self.bundle.call("ps", self.bundle.name, env=bare).stdout.split(), ["PID", "NAME", str(self.pid), "sleep"])
        self.assertIn("which is not in PATH", self.bundle.call("ps", self.bundle.name, "-ef", env=bare).stderr)

    def test_signal_zero_asks(self):
        for flags in ((), ("--all",)):
            self.assertEqual(self.bundle.call("kill", *flags, self.bundle.name, "0").returncode, 0)
        self.assertEqual(self.bundle.state_of()["status"], "running")

    def test_exec_in_a_cgroup_beneath(self):
        os.makedirs(self.bundle.cgroup() + "/a/b")
        script = ("exec", "--cgroup", "a/b", self.bundle.name, "sh", "-c", "grep ^0: /proc/self/cgroup")
        self.assertEqual(self.bundle.call(*script).stdout, "0::/a/b\n")
        self.assertEqual(self.bundle.call(script[0], "--cgroup=/", *script[3:]).stdout, "0::/\n")
        for path, part in (("../x", "leads out of"), ("/a/../../x", "leads out of"), ("cpu:/a", "names a controller"), ("/c", "No such file")):
            done = self.bundle.call("exec", "--cgroup", path, self.bundle.name, "true")
            self.assertEqual((done.returncode, part in done.stderr), (255, True), done.stderr)

    def test_update_changes_device_rules(self):
        def answers():
            """Whether null and full can be opened, and whether a node can be made."""
            out = self.bundle.call("exec", self.bundle.name, "sh", "-c",
                                   "cat /dev/null && echo null; head -c 1 /work/kmsg >/dev/null && echo kmsg; true").stdout
            return out.split()
        os.mknod(self.bundle.rootfs + "/work/kmsg", 0o600 | 0o020000, os.makedev(1, 7))  # full(4) by another name: a default device
        os.mknod(self.bundle.rootfs + "/work/loop", 0o600 | 0o020000, os.makedev(10, 237))
        self.assertEqual(answers(), ["null", "kmsg"])

        def update(rules):
            resources = json.dumps({"devices": rules})
            done = self.bundle.call("update", "-r", "-", self.bundle.name, stdin=None, input=resources)
            self.assertEqual(done.returncode, 0, done.stderr)

        def opens():
            done = self.bundle.call("exec", self.bundle.name, "sh", "-c", "exec 3</work/loop")
            return "Operation not permitted" not in done.stderr
        self.assertFalse(opens())
        update([{"allow": True, "type": "c", "major": 10, "minor": 237, "access": "r"}])
        self.assertTrue(opens())
        self.assertEqual(answers(), ["null", "kmsg"])
        update([{"allow": False, "access": "rwm"}])
        self.assertFalse(opens())
        self.assertEqual(answers(), ["null", "kmsg"])  # what every container may use
        update([])  # says nothing of devices
        self.assertFalse(opens())


    def test_update_knows_what_there_is_not(self):
        for words, part in ((["--l3-cache-schema", "L3:0=f"], "linux.intelRdt: container '"), (["--cpu-rt-period", "5"], "cgroup v2 has no such limit")):
            done = self.bundle.call("update", *words, self.bundle.name)
            self.assertEqual((done.returncode, part in done.stderr), (1, True), done.stderr)
        self.assertEqual(self.bundle.call("update", "--cpu-rt-runtime", "0", "--kernel-memory=-1", self.bundle.name).returncode, 0)


class Many(Case):
    def test_regex(self):
        self.config["process"]["args"] = ["sleep", "1000"]
        names = ["one-a", "one-b", "two"]
        pids = {}
        for name in names:
            self.config["linux"]["cgroupsPath"] = self.bundle.cgroup_path + "/" + name
            self.bundle.save()
            with open(os.devnull, "w", encoding="utf-8") as null:
                subprocess.run([SLIPWAY, "--root", self.bundle.state, "run", "-d", "-b", self.bundle.path, name], stdin=null, stdout=null,
                               stderr=null, check=True, timeout=60)
            self.addCleanup(self.bundle.call, "delete", "--force", name)
            pids[name] = json.loads(self.bundle.call("state", name).stdout)["pid"]
        self.addCleanup(os.rmdir, self.bundle.cgroup())
        self.assertEqual(self.bundle.call("kill", "--regex", "^one-", "KILL").returncode, 0)
        until("stopped", lambda: all(json.loads(self.bundle.call("state", name).stdout)["status"] == "stopped" for name in names[:2]))
        self.assertTrue(os.path.exists(f"/proc/{pids['two']}/exe"))
        done = self.bundle.call("delete", "--regex", ".")
        self.assertEqual((done.returncode, "container 'two' is running" in done.stderr), (1, True), done.stderr)
        self.assertEqual(self.bundle.call("list", "-q").stdout, "two\n")
        self.assertIn("--regex: '(': ", self.bundle.call("delete", "-r", "(").stderr)
        self.assertEqual(self.bundle.call("delete", "-fr", "^t.o$").returncode, 0)
        self.assertEqual(self.bundle.call("list", "-q").stdout, "")


class WithoutCgroup(Case):
    def call(self, *words, **options):
        return self.bundle.call("--cgroup-manager", "disabled", *words, **options)

    def test_it_stays_in_the_callers(self):
        self.config["linux"]["namespaces"] = [n for n in self.config["linux"]["namespaces"] if n["type"] != "cgroup"]
        self.config["process"]["args"] = ["grep", "^0:", "/proc/self/cgroup"]
        self.bundle.save()
        done = self.call("run", "-b", self.bundle.path, self.bundle.name)
        own = [line for line in on_this_host("/proc/self/cgroup").splitlines() if line.startswith("0:")]
        self.assertEqual((done.returncode, done.stdout.splitlines()), (0, own), done.stderr)
        self.assertFalse(os.path.exists(self.bundle.cgroup()))

    def test_its_life(self):
        self.config["process"]["args"] = ["sleep", "1000"]
        self.bundle.save()
        with open(os.devnull, "w", encoding="utf-8") as null:
            subprocess.run([SLIPWAY, "--root", self.bundle.state, "--cgroup-manager=disabled", "run", "-d", "-b", self.bundle.path, self.bundle.name],
                           stdin=null, stdout=null, stderr=null, check=True, timeout=60)
        self.assertEqual(self.bundle.state_of()["status"], "running")
        self.assertEqual(self.bundle.call("exec", self.bundle.name, "echo", "inside").stdout, "inside\n")
        for words in (("pause",), ("ps",), ("events", "--stats"), ("update", "--pids-limit", "3"), ("kill", "--all")):
            done = self.bundle.call(*words, self.bundle.name)
            self.assertEqual((done.returncode, "has no cgroup of its own" in done.stderr), (1, True), done.stderr)
        self.assertIn("no cgroup of its own", self.bundle.call("exec", "--cgroup", "/", self.bundle.name, "true").stderr)
        pid = self.bundle.state_of()["pid"]
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        until("gone", lambda: not os.path.exists(f"/proc/{pid}/exe"))

    def test_limits_are_refused(self):
        self.config["linux"]["resources"] = {"pids": {"limit": 7}, "memory": {"limit": -1}}
        self.bundle.save()
        done = self.call("run", "-b", self.bundle.path, self.bundle.name)
        self.refused("linux.resources.pids.limit: '7' cannot be set: no cgroup is made", done)
        self.config["linux"]["resources"] = {"pids": {"limit": -1}, "memory": {"limit": -1}, "devices": [{"allow": False, "access": "rwm"}]}
        self.bundle.save()
        done = self.call("run", "-b", self.bundle.path, self.bundle.name)
        self.assertEqual(done.returncode, 0, done.stderr)


class Documents(Case):
    def test_spec_rootless(self):
        done = self.bundle.call("spec", "--rootless", "-b", self.bundle.path, "-f", "rootless.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        spec = json.loads(on_this_host(self.bundle.path + "/rootless.json"))
        kinds = [n["type"] for n in spec["linux"]["namespaces"]]
        self.assertEqual(("user" in kinds, "network" in kinds, "resources" in spec["linux"]), (True, False, False))
        self.assertEqual(spec["linux"]["uidMappings"], [{"containerID": 0, "hostID": os.geteuid(), "size": 1}])
        mounts = {m["destination"]: m for m in spec["mounts"]}
        self.assertEqual((mounts["/sys"]["source"], "gid=5" in mounts["/dev/pts"]["options"]), ("/sys", False))
        spec["process"].update(args=["id", "-u"], terminal=False)
        spec["linux"]["cgroupsPath"] = self.bundle.cgroup_path
        with open(self.bundle.path + "/config.json", "w", encoding="utf-8") as file:
            json.dump(spec, file)
        done = self.bundle.call("run", "-b", self.bundle.path, self.bundle.name)
        self.assertEqual((done.returncode, done.stdout), (0, "0\n"), done.stderr)
        self.assertIn("remove it first", self.bundle.call("spec", "-b", self.bundle.path).stderr)

    def test_warnings_go_where_the_caller_wants_them(self):
        log = self.bundle.path + "/log"
        sets = self.config["process"]["capabilities"]
        sets["ambient"], sets["inheritable"] = ["CAP_CHOWN"], []
        sets["bounding"] = sets["bounding"] + ["CAP_NOSUCH"]
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        done = self.bundle.call("--log", log, "--log-format", "json", "run", "-b", self.bundle.path, self.bundle.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual([line["level"] for line in lines], ["warning", "warning"])
        self.assertIn("'CAP_NOSUCH' is not known to this kernel: left out", lines[0]["msg"])
        self.assertIn("CAP_CHOWN is not both permitted and inheritable: left out", lines[1]["msg"])
        self.assertIn("slipway: warning: ", self.bundle.run("true").stderr)

    def test_features_are_true(self):
        features = json.loads(self.bundle.call("features").stdout)
        seccomp = features["linux"]["seccomp"]
        self.assertLessEqual(set(seccomp["supportedFlags"]), set(seccomp["knownFlags"]))
        self.assertIn("SECCOMP_FILTER_FLAG_LOG", seccomp["supportedFlags"])
        self.assertEqual(features["mountOptions"], sorted(set(features["mountOptions"])))
        self.config["mounts"].append({"destination": "/work", "source": self.bundle.rootfs, "type": "none", "options": ["rbind", "no-such-option"]})
        self.assertIn("'no-such-option'", self.bundle.run("true").stderr)  # those that there are: mount_option_cases
        del self.config["mounts"][7]
        for flag in set(seccomp["supportedFlags"]) - {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}:  # of agents only: kernel_cases.Notify
            self.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "flags": [flag],
                                               "syscalls": [{"names": ["reboot"], "action": "SCMP_ACT_ERRNO"}]}
            self.assertEqual(self.bundle.run("true").returncode, 0, flag)

    def test_the_log(self):
        log = self.bundle.path + "/log"
        done = self.bundle.call("--log", "file:" + log, "--log-format=json", "--cgroup-manager", "none", "list")
        self.assertEqual(done.returncode, 1)
        line = json.loads(on_this_host(log))
        self.assertEqual((set(line), line["level"], "'none' is none of" in line["msg"]), ({"level", "msg", "time"}, "error", True))
        os.remove(log)
        done = self.bundle.call("--log", log, "--log-format", "json", "--nonsense", "run", "x")
        self.assertEqual((done.returncode, json.loads(on_this_host(log))["msg"]), (1, "flag '--nonsense' is not known"))
        done = self.bundle.call("--log", "/no/such/folder/log", "list")
        self.assertEqual((done.returncode, "--log" in done.stderr), (1, True), done.stderr)

    def test_the_log_of_the_machine(self):
        """--log syslog:NAME and journald:NAME, as crun has them: to sockets of ours, in a mount namespace where they have the usual names."""
        made = 'mount -t tmpfs run /run && mkdir /run/systemd && ln -s "$0" /run/systemd/journal && mount -t tmpfs dev /dev && ln -s "$0/log" /dev/log && exec "$@"'
        folder = self.bundle.path + "/sockets"
        os.mkdir(folder)
        sockets = {}
        for name in ("socket", "log"):
            sockets[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(sockets[name].close)
            sockets[name].bind(f"{folder}/{name}")
            sockets[name].settimeout(10)

        def call(target):
            words = [SLIPWAY, "--root", self.bundle.state, "--log", target, "state", "--such\nflag"]
            done = subprocess.run(["unshare", "-m", "sh", "-c", made, folder, *words], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1)
            return done.stderr.removeprefix("slipway: ").rstrip("\n")
        said = call("journald:mine")
        self.assertIn("--such\nflag", said)
        self.assertEqual(sockets["socket"].recv(65536), b"PRIORITY=3\nSYSLOG_IDENTIFIER=mine\nMESSAGE\n" + struct.pack("<Q", len(said)) + said.encode() + b"\n")
        said = call("syslog:")
        self.assertRegex(sockets["log"].recv(65536).decode(), r"^<27>slipway\[[0-9]+\]: " + re.escape(said) + "$")
        sockets["log"].close()
        self.assertIn("--log: no syslog listens at /dev/log", call("syslog:x"))

    def test_a_relative_root(self):
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        done = subprocess.run([SLIPWAY, "--root", "state", "run", "-b", ".", self.bundle.name], cwd=self.bundle.path, capture_output=True,
                              stdin=subprocess.DEVNULL, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.listdir(self.bundle.state), [])
