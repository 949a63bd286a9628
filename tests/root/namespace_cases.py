"""User, time and shared PID namespaces: who a process is inside and outside, and what its neighbours can see of it."""
import ctypes
import errno
import os
import socket
import stat
import struct
import subprocess
import time

from bundles import mount
from cases import Case, until

FIRST = 100000
MAP = [{"containerID": 0, "hostID": FIRST, "size": 65536}]


def own(path):
    for folder, folders, files in os.walk(path):
        for name in [folder] + [os.path.join(folder, n) for n in folders + files]:
            os.lchown(name, FIRST, FIRST)


class User(Case):
    def setUp(self):
        super().setUp()
        self.config["linux"]["namespaces"].append({"type": "user"})
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = MAP
        own(self.bundle.rootfs)

    def test_root_inside_is_nobody_outside(self):
        out = self.shell("cat /proc/self/uid_map /proc/self/gid_map; readlink /proc/self/ns/user; id -u; id -g; touch /work/file; echo $$; hostname; "
                         "cat /proc/self/setgroups").split()
        self.assertEqual(out[:6], ["0", str(FIRST), "65536"] * 2)
        self.assertNotEqual(out[6], os.readlink("/proc/self/ns/user"))
        self.assertEqual(out[7:], ["0", "0", "1", "inside", "allow"])
        made = os.stat(self.bundle.rootfs + "/work/file")
        self.assertEqual((made.st_uid, made.st_gid), (FIRST, FIRST))

    def test_what_it_finds_is_its_own(self):
        self.config["mounts"].append(mount("/scratch", "tmpfs", "tmpfs", "uid=7", "mode=700"))
        self.config["linux"]["devices"] = [{"path": "/dev/extra", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8}]
        out = self.shell("for f in /dev /dev/null /dev/shm /dev/pts /scratch /dev/extra /dev/fd; do stat -c '%n %u:%g' $f; done; "
                         "echo x > /dev/null && echo writable; head -c 2 /dev/zero | wc -c; mount | grep -c ' on /sys/fs/cgroup type cgroup2'")
        self.assertEqual(out.splitlines(), ["/dev 0:0", "/dev/null 0:0", "/dev/shm 0:0", "/dev/pts 0:0", "/scratch 7:0", "/dev/extra 7:8",
                                            "/dev/fd 0:0", "writable", "2", "1"])

    def test_masks_and_readonly_paths(self):
        out = self.bundle.shell("wc -c < /proc/keys; echo x > /proc/sys/kernel/domainname")
        self.assertEqual(out.stdout, "0\n")
        self.assertIn("Read-only file system", out.stderr)

    def test_capabilities_are_of_the_namespace(self):
        everything = ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_MKNOD", "CAP_DAC_OVERRIDE"]
        self.config["process"]["capabilities"] = {kind: everything for kind in ("bounding", "effective", "permitted")}
        done = self.bundle.shell("mount -t tmpfs t /work && echo mounted; echo 1 > /proc/sys/vm/drop_caches || echo refused")
        self.assertEqual(done.stdout, "mounted\nrefused\n", done.stderr)

    def test_user_limits_and_standard_output(self):
        self.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5]}
        self.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 300, "hard": 2000}]
        out = self.shell("id -u; id -g; grep ^Groups: /proc/self/status; ulimit -n; ulimit -Hn; stat -L -c %u /proc/self/fd/1; echo again > /dev/stdout")
        self.assertEqual(out.split(), ["1000", "1001", "Groups:", "5", "300", "2000", "1000", "again"])
        self.config["process"]["user"] = {"uid": 70000, "gid": 0}
        self.refused("user 70000 is not mapped", self.bundle.run("true"))

    def test_idmapped_bind(self):
        source = self.bundle.path + "/volume"
        os.mkdir(source)
        with open(source + "/five", "w", encoding="utf-8"):
            pass
        os.chown(source + "/five", 5, 6)
        mapped = mount("/mapped", "bind", source, "rbind")
        mapped["uidMappings"] = mapped["gidMappings"] = MAP
        self.config["mounts"] += [mapped, mount("/plain", "bind", source, "rbind"), mount("/option", "bind", source, "rbind", "idmap")]
        out = self.shell("for d in mapped plain option; do stat -c '%u:%g' /$d/five; done; touch /mapped/new; touch /plain/new2 || echo refused")
        self.assertEqual(out.split(), ["5:6", "65534:65534", "5:6", "refused"])
        self.assertEqual(os.stat(source + "/new").st_uid, 0)
        self.config["mounts"] = self.config["mounts"][:-3] + [mount("/mapped", "bind", "/proc/sys", "bind", "idmap")]
        self.refused("cannot be id-mapped on this kernel: proc", self.bundle.run("true"))

    def test_idmap_and_ridmap_of_what_is_beneath(self):
        source, below = self.bundle.path + "/volume", self.bundle.path + "/below"
        for folder in (source + "/sub", below):
            os.makedirs(folder)
        with open(below + "/five", "w", encoding="utf-8"):
            pass
        os.chown(below + "/five", 5, 6)
        subprocess.run(["mount", "--bind", below, source + "/sub"], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", source + "/sub"], check=True)
        self.config["mounts"] += [mount("/all", "bind", source, "rbind", "ridmap"), mount("/above", "bind", source, "rbind", "idmap")]
        out = self.shell("for d in all above; do stat -c '%u:%g' /$d/sub/five; done")
        self.assertEqual(out.split(), ["5:6", "65534:65534"])

    def test_exec_and_a_second_container_in_the_same_namespaces(self):
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        pid = self.bundle.state_of()["pid"]
        done = self.bundle.call("exec", self.bundle.name, "sh", "-c", "id -u; readlink /proc/self/ns/user; readlink /proc/self/ns/pid; cat /proc/1/comm; "
                                "cat /proc/self/oom_score_adj")
        links = [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("user", "pid")]
        self.assertEqual(done.stdout.split()[:4], ["0", *links, "sleep"], done.stderr)
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            self.assertIn(f"Uid:\t{FIRST}\t{FIRST}", status.read())
        second = type(self.bundle)(self.bundle.slipway, "second")
        self.addCleanup(second.remove)
        own(second.rootfs)
        second.config["linux"]["namespaces"] = [{"type": "mount"}, {"type": "cgroup"}] + [
            {"type": kind, "path": f"/proc/{pid}/ns/{name}"}
            for kind, name in (("user", "user"), ("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"))]
        done = second.shell("readlink /proc/self/ns/user; readlink /proc/self/ns/pid; cat /proc/1/comm; stat -c %u /dev/null; hostname")
        self.assertEqual(done.stdout.split(), [*links, "sleep", "0", "inside"], done.stderr)

    def test_several_mappings(self):
        self.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": FIRST, "size": 1000}, {"containerID": 5000, "hostID": 300000, "size": 10},
                                               {"containerID": 1000, "hostID": 200000, "size": 5}]
        self.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": FIRST, "size": 10}, {"containerID": 10, "hostID": 400000, "size": 90}]
        self.config["process"]["user"] = {"uid": 5003, "gid": 11, "additionalGids": [5, 12]}
        os.chmod(self.bundle.rootfs + "/work", 0o777)
        out = self.shell("id -u; id -g; grep ^Groups: /proc/self/status; wc -l < /proc/self/uid_map; touch /work/file")
        self.assertEqual(out.split(), ["5003", "11", "Groups:", "5", "12", "3"])
        made = os.stat(self.bundle.rootfs + "/work/file")
        self.assertEqual((made.st_uid, made.st_gid), (300003, 400001))
        self.config["process"]["user"]["uid"] = 2000
        self.refused("user 2000 is not mapped", self.bundle.run("true"))

    def test_refusals(self):
        self.config["linux"]["uidMappings"] = [{"containerID": 1, "hostID": FIRST, "size": 10}]
        self.refused("is not mapped", self.bundle.run("true"))
        del self.config["linux"]["uidMappings"]
        self.refused("a new user namespace needs both", self.bundle.run("true"))


class Time(Case):
    def test_offsets(self):
        self.config["linux"]["namespaces"].append({"type": "time"})
        self.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 5}, "monotonic": {"secs": 2000000}}
        out = self.shell("cat /proc/uptime /proc/self/timens_offsets; readlink /proc/self/ns/time").split()
        with open("/proc/uptime", encoding="utf-8") as file:
            host = float(file.read().split()[0])
        self.assertAlmostEqual(float(out[0]), host + 1000000, delta=60)
        self.assertEqual(out[2:8], ["monotonic", "2000000", "0", "boottime", "1000000", "5"])
        self.assertNotEqual(out[8], os.readlink("/proc/self/ns/time"))

    def test_exec_and_join(self):
        self.config["linux"]["namespaces"].append({"type": "time"})
        self.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000}}
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        done = self.bundle.call("exec", self.bundle.name, "cat", "/proc/uptime")
        self.assertGreater(float(done.stdout.split()[0]), 1000000, done.stderr)
        pid = self.bundle.state_of()["pid"]
        second = type(self.bundle)(self.bundle.slipway, "second")
        self.addCleanup(second.remove)
        second.config["linux"]["namespaces"].append({"type": "time", "path": f"/proc/{pid}/ns/time"})
        done = second.run("cat", "/proc/uptime")
        self.assertGreater(float(done.stdout.split()[0]), 1000000, done.stderr)

    def test_refusals(self):
        self.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1}}
        self.refused("no new time namespace", self.bundle.run("true"))
        self.config["linux"]["namespaces"].append({"type": "time"})
        self.config["linux"]["timeOffsets"] = {"realtime": {"secs": 1}}
        self.refused("'realtime' is not known", self.bundle.run("true"))


class Neighbours(Case):
    """A process with CAP_SYS_PTRACE in the PID namespace looks at whoever comes (CVE-2016-9962 and its kin)."""

    def setUp(self):
        super().setUp()
        caps = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]
        self.config["process"]["capabilities"] = {kind: caps for kind in ("bounding", "effective", "permitted")}
        self.marker = f"/marker-of-the-host-{os.getpid()}"  # others may test at once
        with open(self.marker, "w", encoding="utf-8"):
            pass
        self.addCleanup(os.remove, self.marker)
        # The shell's own globbing and test: no process of its own comes and goes.
        watch = ("echo watching; n=0; while :; do for p in /proc/[0-9]*; do [ -e $p/root/bin/busybox ] && n=$((n+1)); [ -e $p/root%s ] && echo LEAK; "
                 "[ -e $p/cwd%s ] && echo LEAK; done; done" % (self.marker, self.marker))
        self.assertEqual(self.bundle.create("sh", "-c", watch), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        until("watching", lambda: "watching" in self.bundle.output())
        self.pid = self.bundle.state_of()["pid"]

    def test_exec_shows_nothing_of_the_host(self):
        end = time.monotonic() + 4
        while time.monotonic() < end:
            self.assertEqual(self.bundle.call("exec", self.bundle.name, "true").returncode, 0)
        self.assertNotIn("LEAK", self.bundle.output())

    def test_a_container_in_the_same_pid_namespace_shows_nothing_of_the_host(self):
        second = type(self.bundle)(self.bundle.slipway, "second")
        self.addCleanup(second.remove)
        second.config["linux"]["namespaces"][0]["path"] = f"/proc/{self.pid}/ns/pid"
        end = time.monotonic() + 5
        while time.monotonic() < end:
            done = second.run("readlink", "/proc/self/ns/pid")
            self.assertEqual(done.stdout.split()[0], os.readlink(f"/proc/{self.pid}/ns/pid"), done.stderr)
        self.assertNotIn("LEAK", self.bundle.output())

    def test_masks_lie_over_a_proc_of_another_namespace(self):
        second = type(self.bundle)(self.bundle.slipway, "second")
        self.addCleanup(second.remove)
        second.config["linux"]["namespaces"][0]["path"] = f"/proc/{self.pid}/ns/pid"
        second.config["root"]["readonly"] = True
        done = second.shell("wc -c < /proc/keys; echo x > /proc/sys/kernel/domainname; touch /x; mount | grep -c ' on /proc type proc (rw,nosuid,nodev,noexec'")
        self.assertEqual(done.stdout.split(), ["0", "1"], done.stderr)
        self.assertEqual(done.stderr.count("Read-only file system"), 2, done.stderr)


class Impostor(Case):
    """Who has CAP_SYS_PTRACE in the container's PID namespace can take the late-born process's end of the runner's socket. The agent of a
    filter keeps that process waiting, so that there is time; the test plays the neighbour."""

    BORN, CONSOLE = 4, 3

    def setUp(self):
        super().setUp()
        self.agent = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.agent.close)
        self.agent.bind(self.bundle.path + "/agent.sock")
        self.agent.listen(0)  # the container's own listener fills it: that of an exec has to wait for its turn
        self.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": self.bundle.path + "/agent.sock",
                                           "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        self.pid = self.bundle.state_of()["pid"]

    def newcomers(self):
        space = os.readlink(f"/proc/{self.pid}/ns/pid")
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if int(name) != self.pid and os.readlink(f"/proc/{name}/ns/pid") == space:
                    yield int(name)
            except OSError:
                pass

    def take_socket(self, pid):
        """pidfd_getfd(2) of what is a socket of packets."""
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(pid)
        for number in range(3, 64):
            fd = libc.syscall(438, pidfd, number, 0)
            if fd < 0:
                continue
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                taken = socket.socket(fileno=fd)
                if taken.type == socket.SOCK_SEQPACKET:
                    return taken
                taken.detach()
            os.close(fd)
        self.fail("the process has no socket")

    def say(self, kind, index, descriptor):
        with open(self.bundle.path + "/said", "w+", encoding="utf-8") as said, subprocess.Popen(
                [self.bundle.slipway, "--root", self.bundle.state, "exec", self.bundle.name, "sleep", "1000"], stdin=subprocess.DEVNULL,
                stdout=said, stderr=said) as execed:
            try:
                until("the process", lambda: any(self.newcomers()))
                with self.take_socket(next(self.newcomers())) as taken:
                    socket.send_fds(taken, [struct.pack("=HHIi", kind, 0, index, 0)], [descriptor])
                    self.agent.accept()  # now the runner goes on
                    self.assertNotEqual(execed.wait(timeout=20), 0)
            finally:
                execed.kill()
            said.seek(0)
            return said.read()

    def test_the_runners_file_stays_read_only(self):
        """A neighbour with CAP_SYS_ADMIN too may change a mount that is the root of its namespace, as a detached one is while it is open."""
        libc = ctypes.CDLL(None, use_errno=True)
        with subprocess.Popen([self.bundle.slipway, "--root", self.bundle.state, "exec", self.bundle.name, "true"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as execed:
            try:
                until("the process", lambda: any(self.newcomers()))
                program = os.open(f"/proc/{next(self.newcomers())}/exe", os.O_PATH)
                self.addCleanup(os.close, program)
                self.assertEqual(os.fstat(program).st_ino, os.stat(self.bundle.slipway).st_ino)
                self.assertTrue(os.fstatvfs(program).f_flag & os.ST_RDONLY)
                writable = struct.pack("=QQQQ", 0, 1, 0, 0)  # struct mount_attr: MOUNT_ATTR_RDONLY is cleared
                done = libc.syscall(442, program, b"", 0x1000, writable, len(writable))  # mount_setattr(2), AT_EMPTY_PATH
                self.assertEqual((done, ctypes.get_errno()), (-1, errno.EINVAL))
            finally:
                execed.kill()

    def test_nobody_else_tells_who_was_born(self):
        bystander = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        pidfd = os.pidfd_open(bystander.pid)
        self.addCleanup(os.close, pidfd)
        self.assertIn("what only the process that makes it may say", self.say(self.BORN, bystander.pid, pidfd))
        self.assertIsNone(bystander.poll(), "the runner ended somebody else's process")

    def test_nobody_else_gives_a_terminal(self):
        with open("/dev/zero", "rb") as file:
            self.assertIn("what only the process that makes it may say", self.say(self.CONSOLE, 0, file.fileno()))
