"""How the kernel runs the container's process, and agents that answer its system calls."""
import array
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import threading

from cases import SLIPWAY, Case, until

SECCOMP_IOCTL_NOTIF_RECV = 0xC0502100
SECCOMP_IOCTL_NOTIF_SEND = 0xC0182101


class Scheduling(Case):
    """Read from outside, by the process's number: what is asked for is what it has."""

    def pid(self, *flags):
        self.assertEqual(self.bundle.create("sleep", "1000", flags=flags), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        return self.bundle.state_of()["pid"]

    def user_namespace(self):
        maps = [{"containerID": 0, "hostID": 200000, "size": 65536}]
        self.config["linux"]["namespaces"].append({"type": "user"})
        self.config["linux"].update({"uidMappings": maps, "gidMappings": maps})
        os.chmod(self.bundle.path, 0o755)

    @staticmethod
    def io_priority(pid):
        value = ctypes.CDLL(None).syscall(252, 1, pid)  # ioprio_get(IOPRIO_WHO_PROCESS)
        return value >> 13, value & 7

    def test_scheduler_and_io_priority(self):
        self.config["process"]["scheduler"] = {"policy": "SCHED_BATCH", "nice": 7}
        self.config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
        pid = self.pid()
        self.assertEqual((os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid)), (os.SCHED_BATCH, 7))
        self.assertEqual(self.io_priority(pid), (2, 6))

    def test_in_a_user_namespace_by_the_hosts_privilege(self):
        self.user_namespace()
        self.config["process"]["scheduler"] = {"policy": "SCHED_OTHER", "nice": -5}
        self.config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_RT", "priority": 3}
        pid = self.pid()
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), -5)
        self.assertEqual(self.io_priority(pid), (1, 3))

    def test_personality(self):
        self.config["linux"]["personality"] = {"domain": "LINUX32"}
        pid = self.pid()
        with open(f"/proc/{pid}/personality", encoding="utf-8") as file:
            self.assertEqual(int(file.read(), 16), 8)
        self.config["process"]["args"] = ["cat", "/proc/self/personality"]
        self.assertEqual(self.bundle.call("exec", self.bundle.name, "cat", "/proc/self/personality").stdout, "00000008\n")

    def test_memory_policy(self):
        self.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}
        pid = self.pid()
        with open(f"/proc/{pid}/numa_maps", encoding="utf-8") as file:
            self.assertIn(" bind=static:0 ", file.read())

    def test_exec_cpu_affinity(self):
        self.assertEqual(len(os.sched_getaffinity(0)) > 1, True, "one CPU shows nothing")
        self.pid()
        # Before Linux 6.2 a cpuset gives who enters it all its CPUs, whatever they had asked for: `initial` ends at the container's door.
        keeps = tuple(int(part) for part in os.uname().release.split(".")[:2]) >= (6, 2)
        with open("/proc/self/status", encoding="utf-8") as file:
            every = next(line.split()[1] for line in file if line.startswith("Cpus_allowed_list:"))
        process = {"user": {"uid": 0, "gid": 0}, "args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "cwd": "/", "env": ["PATH=/bin"]}
        for affinity, wanted in (({"final": "1"}, "1"), ({"initial": "0"}, "0" if keeps else every), ({"initial": "0", "final": "1"}, "1")):
            with open(self.bundle.path + "/process.json", "w", encoding="utf-8") as file:
                json.dump(process | {"execCPUAffinity": affinity}, file)
            done = self.bundle.call("exec", "--process", self.bundle.path + "/process.json", self.bundle.name)
            self.assertEqual(done.stdout.split(), ["Cpus_allowed_list:", wanted], done.stderr)

    def test_refused_by_name(self):
        process, kernel = self.config["process"], self.config["linux"]
        for place, field, value, part in (
                (process, "scheduler", {"policy": "SCHED_FOO"}, "process.scheduler.policy: 'SCHED_FOO' is not known"),
                (process, "scheduler", {"policy": "SCHED_FIFO", "priority": 0}, "set process.scheduler: Invalid argument"),
                (process, "ioPriority", {"class": "FAST", "priority": 1}, "process.ioPriority.class: 'FAST' is not known"),
                (kernel, "personality", {"domain": "LINUX32", "flags": ["X"]}, "linux.personality.flags: 'X'"),
                (kernel, "memoryPolicy", {"mode": "MPOL_BIND", "nodes": "900"}, "set linux.memoryPolicy: Invalid argument"),
                (kernel, "resources", {"rdma": {"mlx5_1": {"hcaHandles": 3}}}, "linux.resources.rdma.mlx5_1")):
            place[field] = value
            self.refused(part, self.bundle.run("true"))
            del place[field]


class Keyring(Case):
    """The caller's session keyring, which only its possessors may see, and the container's."""

    def seen(self, name, *flags):
        self.config["linux"]["maskedPaths"].remove("/proc/keys")
        self.config["process"]["args"] = ["cat", "/proc/keys"]
        self.bundle.save()
        self.config["linux"]["maskedPaths"].append("/proc/keys")

        def join():
            libc = ctypes.CDLL(None)
            ring = libc.syscall(250, 1, b"slipway-callers")  # keyctl: KEYCTL_JOIN_SESSION_KEYRING
            if ring < 0 or libc.syscall(250, 5, ring, 0x3F000000) != 0:  # KEYCTL_SETPERM: everything for who possesses it, nothing for others
                os._exit(99)
        done = self.bundle.call("run", *flags, "-b", self.bundle.path, name, preexec_fn=join)
        self.assertEqual(done.returncode, 0, done.stderr)
        return ["slipway-callers" in done.stdout, "_ses." + name in done.stdout]

    def test_a_new_one_or_the_callers(self):
        self.assertEqual(self.seen("own-ring"), [False, True])
        self.assertEqual(self.seen("callers-ring", "--no-new-keyring"), [True, False])


class NetDevices(Case):
    """In a network namespace of the test's own, which the container's devices come from."""

    def run_from(self, devices, script):
        self.config["linux"]["netDevices"] = devices
        self.config["process"]["args"] = ["sh", "-c", script]
        self.bundle.save()
        made = ("ip link add first mtu 1300 address 02:00:00:00:00:07 type veth peer name left1 && ip addr add 192.0.2.7/24 brd + dev first && "
                "ip addr add 2001:db8::7/64 nodad dev first && ip link set first up && ip link add second type veth peer name left2 && ")
        words = [SLIPWAY, "--root", self.bundle.state, "run", "--bundle", self.bundle.path, self.bundle.name]
        return subprocess.run(["unshare", "-n", "sh", "-c", made + '"$@"; code=$?; ip -o link | cut -d: -f2 >&2; ip addr show first >&2; exit $code', "sh", *words],
                              capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)

    def test_moved_named_addressed_and_up(self):
        os.link(self.bundle.rootfs + "/bin/busybox", self.bundle.rootfs + "/bin/ip")
        done = self.run_from({"first": {"name": "inside0"}, "second": {}}, "ip addr show inside0; ip link show second")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len([line for line in done.stdout.splitlines() if ",UP" in line]), 2, done.stdout)
        for part in ("inside0", "second", "mtu 1300", "02:00:00:00:00:07", "inet 192.0.2.7/24 brd 192.0.2.255 scope global inside0",
                     "inet6 2001:db8::7/64 scope global"):
            self.assertIn(part, done.stdout)
        self.assertNotIn("first\n", done.stderr)

    def test_the_first_free_number(self):
        os.link(self.bundle.rootfs + "/bin/busybox", self.bundle.rootfs + "/bin/ip")
        done = self.run_from({"first": {"name": "net%d"}, "left1": {"name": "net0"}, "left2": {"name": "net%d"}, "second": {"name": "lo%d"}},
                             "ip -o link | cut -d: -f2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(name.split("@")[0].strip() for name in done.stdout.splitlines()), ["lo", "lo0", "net0", "net1", "net2"])

    def test_refused_by_name(self):
        done = self.run_from({"first": {}, "third": {}}, "true")
        self.assertIn("linux.netDevices.third: there is no network device 'third'", done.stderr)
        self.assertEqual(done.returncode, 1)
        # The one that was moved is back as it was.
        for part in ("mtu 1300", ",UP", "inet 192.0.2.7/24 brd 192.0.2.255 scope global first", "inet6 2001:db8::7/64 scope global"):
            self.assertIn(part, done.stderr)
        done = self.run_from({"second": {}, "first": {"name": "lo"}}, "true")
        self.assertIn("linux.netDevices.first: the container has a device 'lo' already", done.stderr)


class Agent(threading.Thread):
    """Takes listeners at a socket and answers each notified call: mkdir with an errno, whatever else by letting it go on."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.messages, self.calls = [], []
        self.before_answer = lambda pid: None

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            data, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
            connection.close()
            self.messages.append((json.loads(data), len(control)))
            threading.Thread(target=self.answer, args=(array.array("i", control[0][2])[0],), daemon=True).start()

    def answer(self, listener):
        try:
            while True:
                request = fcntl.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, bytes(80))
                number, = struct.unpack_from("i", request, 16)
                self.calls.append(number)
                self.before_answer(struct.unpack_from("I", request, 8)[0])
                deny = number in (83, 258)  # mkdir, mkdirat
                fcntl.ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, struct.pack("QqiI", *struct.unpack_from("Q", request), 0, -75 if deny else 0, 0 if deny else 1))
        except OSError:
            os.close(listener)  # the last process with this filter has ended


class Notify(Case):
    def setUp(self):
        super().setUp()
        self.agent = Agent(self.bundle.path + "/agent.sock")
        self.addCleanup(self.agent.socket.close)
        self.addCleanup(self.agent.socket.shutdown, socket.SHUT_RDWR)
        self.agent.start()

    def profile(self, *names, **more):
        self.config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": self.bundle.path + "/agent.sock", "listenerMetadata": "some words",
            "syscalls": [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}], **more}

    def test_agent_is_told_and_answers(self):
        for privileges in (True, False):
            self.config["process"]["noNewPrivileges"] = privileges
            self.profile("mkdir", "mkdirat", flags=["SECCOMP_FILTER_FLAG_LOG"])
            self.agent.messages.clear()
            done = self.bundle.shell("mkdir /work/x; ls /proc/self/fd | tr '\\n' ' '")
            self.assertIn("Value too large", done.stderr)
            self.assertEqual(done.stdout, "0 1 2 3 ", "the listener leaked")
            (message, descriptors), = self.agent.messages
            pid = message["state"]["pid"]
            self.assertEqual((descriptors, message), (1, {
                "ociVersion": "1.2.0", "fds": ["seccompFd"], "pid": pid, "metadata": "some words",
                "state": {"ociVersion": "1.2.0", "id": self.bundle.name, "status": "creating", "pid": pid, "bundle": self.bundle.path}}))

    def test_calls_of_the_runner_itself_may_be_notified(self):
        for privileges in (True, False):
            self.config["process"]["noNewPrivileges"] = privileges
            self.profile("sendmsg", "sendto", "read", "write", "close", "execve", "newfstatat", "capset", "prctl")
            self.assertEqual(self.shell("echo done"), "done\n")
            self.assertIn(59, self.agent.calls)

    def test_only_a_deadly_signal_ends_the_wait_for_an_agent(self):
        """WAIT_KILLABLE_RECV: once the agent has the call, its process sleeps where no other signal wakes it, and the call comes once."""
        states = []

        def look(pid):
            def state():
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    return file.read().rsplit(")", 1)[1].split()[0]
            os.kill(pid, signal.SIGUSR1)
            until("a sleep that only death ends", lambda: state() == "D")
            states.append(state())
        self.agent.before_answer = look
        for privileges in (True, False):
            self.config["process"]["noNewPrivileges"] = privileges
            self.profile("chdir", flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
            self.agent.calls.clear()
            self.assertEqual(self.shell("trap 'echo signal' USR1; cd /work; pwd"), "signal\n/work\n")
            self.assertEqual((self.agent.calls, set(states)), ([80], {"D"}))

    def test_exec_has_a_listener_of_its_own(self):
        self.profile("mkdir", "mkdirat")
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        done = self.bundle.call("exec", self.bundle.name, "mkdir", "/work/x")
        self.assertIn("Value too large", done.stderr)
        until("two listeners", lambda: len(self.agent.messages) == 2)
        second = self.agent.messages[1][0]
        self.assertEqual((second["state"]["status"], second["state"]["pid"]), ("running", self.bundle.state_of()["pid"]))
        self.assertNotEqual(second["pid"], second["state"]["pid"])

    def test_refused_by_name(self):
        self.profile("mkdir", listenerPath=self.bundle.path + "/nobody.sock")
        self.refused("linux.seccomp.listenerPath '" + self.bundle.path + "/nobody.sock'", self.bundle.run("true"))
        self.profile("mkdir", listenerPath="")
        self.refused("linux.seccomp.listenerMetadata: there is no listenerPath", self.bundle.run("true"))
        self.profile("mkdir", defaultAction="SCMP_ACT_NOTIFY")
        self.refused("linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would stop init", self.bundle.run("true"))
