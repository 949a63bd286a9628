"""Bad input to the runner's command line: each is refused with the field, its value and why, and nothing is left."""
import json
import os

from bundles import mount
from cases import Case

HUGE = 5 << 20  # bytes; a config.json ends at 4 MiB


def at(config, path, value):
    """Sets config["a"]["b"][0] for "a.b.0"."""
    *parents, last = path.split(".")
    for name in parents:
        config = config[int(name)] if isinstance(config, list) else config.setdefault(name, {})
    if isinstance(config, list):
        config.insert(int(last), value)
    else:
        config[last] = value


def seccomp(**rule):
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", **rule}]}


# What is set, to what, and the parts that the refusal must have: the field, the value where there is one, the reason.
FIELDS = [
    ("ociVersion", "2.0", ["ociVersion", "'2.0'"]),
    ("linux.namespaces.0", {"type": "moon"}, ["linux.namespaces[0].type", "'moon'", "not known"]),
    ("linux.namespaces.0", {"type": "uts"}, ["linux.namespaces", "'uts'", "comes twice"]),
    ("linux.namespaces.0.path", "relative", ["linux.namespaces[0].path", "'relative'", "not absolute"]),
    ("linux.namespaces.0.path", "/no/such/namespace", ["linux.namespaces 'pid'", "/no/such/namespace", "No such file"]),
    ("linux.namespaces.1.path", "/etc/hostname", ["linux.namespaces 'network'", "/etc/hostname"]),
    ("process.capabilities.effective.0", "CAP_SYS_ADMIN", ["effective", "CAP_SYS_ADMIN"]),
    ("linux.seccomp", seccomp(action="SCMP_ACT_EXPLODE"), ["linux.seccomp.syscalls[0].action", "'SCMP_ACT_EXPLODE'", "not known"]),
    ("linux.seccomp", {"defaultAction": "ALLOW"}, ["linux.seccomp.defaultAction", "'ALLOW'", "not known"]),
    ("linux.seccomp", seccomp(args=[{"index": 0, "value": 1, "op": "SCMP_CMP_FOO"}]), ["syscalls[0].args[0].op", "'SCMP_CMP_FOO'", "not known"]),
    ("linux.seccomp", seccomp(args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]), ["syscalls[0].args[0].index", "6"]),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_Z80"]}, ["linux.seccomp.architectures[0]", "'SCMP_ARCH_Z80'"]),
    ("process.args", [], ["process.args", "empty"]),
    ("process.args", "sh", ["process.args", "string"]),
    ("process.cwd", "work", ["process.cwd", "'work'", "not absolute"]),
    ("process.env", ["NOVALUE"], ["process.env[0]"]),
    ("process.user.uid", -1, ["process.user.uid", "-1"]),
    ("process.user.uid", 4294967296, ["process.user.uid", "4294967296"]),
    ("process.user.gid", 4294967295, ["process.user.gid", "4294967295"]),
    ("process.oomScoreAdj", 1001, ["process.oomScoreAdj", "1001"]),
    ("process.rlimits", [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}], ["process.rlimits[0].type", "'RLIMIT_FOO'", "not known"]),
    ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}], ["process.rlimits[0].soft", "2"]),
    ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] * 2, ["process.rlimits[1].type", "'RLIMIT_CORE'", "comes twice"]),
    ("root.path", "no-such-root", ["root.path", "no-such-root", "No such file"]),
    ("root.path", "config.json", ["root.path", "config.json", "Not a directory"]),
    ("root", None, ["root.path", "missing"]),
    ("hostname", "x" * 65, ["hostname", "longer"]),
    ("mounts.7", mount("/x", "bind", "/no/such/source", "rbind"), ["mounts[7] '/x'", "/no/such/source", "No such file"]),
    ("mounts.7", mount("/x", "nosuchfs", "x"), ["mounts[7] '/x'", "nosuchfs"]),
    ("mounts.7", mount("", "tmpfs", "tmpfs"), ["mounts[7].destination", "missing"]),
    ("mounts.7", mount("/x", "tmpfs", "tmpfs", "size=banana"), ["mounts[7] '/x'", "size"]),
    ("mounts.7", mount("/x", "tmpfs", "tmpfs", "no-such-option"), ["mounts[7] '/x'", "no-such-option"]),
    ("linux.devices", [{"path": "dev/x", "type": "c", "major": 1, "minor": 3}], ["linux.devices[0].path", "'dev/x'", "not absolute"]),
    ("linux.devices", [{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}], ["linux.devices[0].type", "'z'", "not known"]),
    ("linux.devices", [{"path": "/dev/x", "type": "c", "major": -1, "minor": 3}], ["linux.devices[0]", "-1:3"]),
    ("linux.devices", [{"path": "/dev/x", "type": "c"}], ["linux.devices[0]", "'major' and 'minor'"]),
    ("linux.devices", [{"path": "/dev/x", "type": "c", "major": 5000, "minor": 0}], ["linux.devices[0]", "5000:0"]),
    ("linux.resources", {"devices": [{"allow": True, "type": "q"}]}, ["linux.resources.devices[0].type", "'q'"]),
    ("linux.resources", {"devices": [{"allow": True, "access": "x"}]}, ["linux.resources.devices[0].access", "'x'"]),
    ("linux.resources", {"memory": {"limit": "much"}}, ["linux.resources.memory.limit", "string"]),
    ("linux.resources", {"memory": {"limit": 10 ** 30}}, ["linux.resources.memory.limit", "1" + "0" * 30]),
    ("linux.resources", {"memory": {"limit": 1.5}}, ["linux.resources.memory.limit", "1.5"]),
    ("linux.resources", {"memory": {"limit": -5}}, ["linux.resources.memory.limit", "-5", "less than -1"]),
    ("linux.resources", {"memory": {"limit": 4096, "swap": -5}}, ["linux.resources.memory.swap", "-5", "less than -1"]),
    ("linux.resources", {"pids": {"limit": -5}}, ["linux.resources.pids.limit", "-5", "less than -1"]),
    ("linux.resources", {"cpu": {"quota": -5}}, ["linux.resources.cpu.quota", "-5", "less than -1"]),
    ("linux.resources", {"memory": {"limit": 4096, "swap": 5}}, ["linux.resources.memory.swap", "5", "less than"]),
    ("linux.resources", {"cpu": {"cpus": "all"}}, ["linux.resources.cpu.cpus", "'all'"]),
    ("linux.resources", {"cpu": {"idle": 7}}, ["linux.resources.cpu.idle", "7"]),
    ("linux.resources", {"cpu": {"period": -5}}, ["linux.resources.cpu.period", "-5"]),
    ("linux.resources", {"blockIO": {"weight": 5}}, ["linux.resources.blockIO.weight", "5"]),
    ("linux.resources", {"unified": {"../evil": "1"}}, ["linux.resources.unified", "'../evil'"]),
    ("linux.resources", {"hugepageLimits": [{"pageSize": "3XB", "limit": 1}]}, ["linux.resources.hugepageLimits", "3XB"]),
    ("linux.cgroupsPath", "/a/../../b", ["linux.cgroupsPath", "'/a/../../b'"]),
    ("linux.sysctl", {"kernel.core_pattern": "|x"}, ["linux.sysctl.kernel.core_pattern", "'|x'", "host"]),
    ("linux.sysctl", {"net.no.such": "1"}, ["linux.sysctl", "'1'", "net/no/such", "No such file"]),
    ("linux.sysctl", {"kernel.msgmax": "banana"}, ["linux.sysctl", "'banana'", "kernel/msgmax", "Invalid argument"]),
    ("linux.maskedPaths", ["proc/kcore"], ["linux.maskedPaths[0]", "'proc/kcore'", "not absolute"]),
    ("linux.rootfsPropagation", "public", ["linux.rootfsPropagation", "'public'"]),
    ("hooks", {"poststop": [{"path": "bin/true"}]}, ["hooks.poststop[0].path", "'bin/true'", "not absolute"]),
    ("linux.intelRdt", {"closID": "x"}, ["linux.intelRdt", "no resctrl file system is mounted"]),
    ("linux.intelRdt", {"closID": "../x"}, ["linux.intelRdt.closID", "'../x'"]),
    ("linux.intelRdt", {"memBwSchema": "L3:0=f"}, ["linux.intelRdt.memBwSchema", "'L3:0=f'", "MB:"]),
    ("linux.intelRdt", {"schemata": ["MB:0=10\nMB:1=10"]}, ["linux.intelRdt.schemata[0]", "one line"]),
]


class BadInput(Case):
    def refused_with(self, parts, done, what):
        self.assertEqual(done.returncode, 1, f"{what}: {done.stdout}")
        for part in parts:
            self.assertIn(part, done.stderr, what)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.refused(parts[0], done)

    def test_fields(self):
        before = len(self.mounts())
        for path, value, parts in FIELDS:
            with self.subTest(path=path, value=value):
                saved = json.dumps(self.config)
                at(self.config, path, value)
                self.refused_with(parts, self.bundle.run(*self.config["process"]["args"]) if path != "process.args" else self.run_as_it_is(), f"{path} = {value}")
                self.config.clear()
                self.config.update(json.loads(saved))
        self.assertEqual(len(self.mounts()), before)

    def run_as_it_is(self):
        self.bundle.save()
        return self.bundle.call("run", "-b", self.bundle.path, self.bundle.name)

    @staticmethod
    def mounts():
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return file.readlines()

    def test_texts(self):
        texts = [
            ("", ["config.json"]),
            ("{", ["config.json"]),
            ('{"ociVersion": "1.0.0"', ["config.json"]),
            ('{"ociVersion": "1.0.0", "ociVersion": "1.0.0"}', ["config.json", "'ociVersion'", "twice"]),
            ("[]", ["config.json", "object"]),
            ('{"a": ' * 1000 + "1" + "}" * 1000, ["config.json", "deep"]),
            ('{"annotations": {"a": "' + "x" * HUGE + '"}}', ["config.json", str(4 << 20)]),
            ('{"ociVersion": "1.0.0\\u0000"}', ["config.json", "NUL"]),
        ]
        for text, parts in texts:
            with self.subTest(text=text[:40]):
                with open(self.bundle.path + "/config.json", "w", encoding="utf-8") as file:
                    file.write(text)
                self.refused_with(parts, self.bundle.call("run", "-b", self.bundle.path, self.bundle.name), text[:40])

    def test_ids(self):
        for name in ("../x", "a/b", "/", ".", "..", "", "a\nb", "a b", "a\x7f", "ü", "x" * 1025):
            with self.subTest(name=name[:20]):
                self.bundle.save()
                self.refused_with(["container id"], self.bundle.call("run", "-b", self.bundle.path, name), repr(name))
                self.assertEqual(self.bundle.call("delete", name).returncode, 1)

    def test_arguments(self):
        self.bundle.save()
        name = self.bundle.name
        for words, parts in (
                (["flub"], ["'flub'", "no verb"]),
                (["run", "--no-such-flag", "-b", self.bundle.path, name], ["'--no-such-flag'", "not known"]),
                (["run", "-b"], ["--bundle", "needs an argument"]),
                (["run", "-b", "/no/such/bundle", name], ["--bundle", "/no/such/bundle", "No such file"]),
                (["run", "-b", self.bundle.rootfs, name], ["config.json", "No such file"]),
                (["run", "--preserve-fds", "-1", "-b", self.bundle.path, name], ["--preserve-fds", "'-1'"]),
                (["run", "--preserve-fds", "9", "-b", self.bundle.path, name], ["descriptor"]),
                (["run"], ["id is missing"]),
                (["run", "-b", self.bundle.path, name, "surplus"], ["'surplus'", "nothing is wanted there"]),
                (["kill", name, "TERM", "surplus"], ["'surplus'", "nothing is wanted there"]),
                (["state", name, "surplus"], ["'surplus'", "nothing is wanted there"]),
                (["list", "surplus"], ["'surplus'", "nothing is wanted there"]),
                (["kill", "nobody"], ["'nobody'", "does not exist"]),
                (["--log-format", "xml", "list"], ["--log-format", "'xml'"])):
            with self.subTest(words=words):
                self.refused_with(parts, self.bundle.call(*words), words)
        self.assertEqual(self.bundle.create("sleep", "100"), 0)
        for signal in ("KILLER", "65", "-1", "99999999999"):
            done = self.bundle.call("kill", name, signal)
            self.assertEqual(done.returncode, 1)
            self.assertIn(signal, done.stderr)

    def test_a_cgroup_that_is_taken(self):
        """Two containers in one cgroup: the second is refused, the first lives on with its limits."""
        self.assertEqual(self.bundle.create("sleep", "100"), 0)
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        done = self.bundle.call("run", "-b", self.bundle.path, "another")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"linux.cgroupsPath: '{self.bundle.cgroup_path}' has processes in it already", done.stderr)
        self.assertEqual(self.bundle.state_of()["status"], "running")
        self.assertEqual(os.listdir(self.bundle.state), [self.bundle.name])

    def test_limits_without_their_controller(self):
        """This host's cgroup2 has few controllers: what asks for nothing passes, what cannot be is named."""
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="utf-8") as file:
            there = file.read().split()
        self.config["linux"]["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}, {"pageSize": "1GB", "limit": 0}],
                                             "memory": {"limit": -1}, "pids": {"limit": -1}, "cpu": {"shares": 1024}}
        self.assertEqual(self.bundle.run("true").returncode, 0)
        asked = {"memory": ("memory", {"limit": 1 << 30}, "memory.limit"), "pids": ("pids", {"limit": 100}, "pids.limit"),
                 "cpu": ("cpu", {"shares": 1000}, "cpu.shares"), "cpuset": ("cpu", {"cpus": "0"}, "cpu.cpus"), "io": ("blockIO", {"weight": 100}, "blockIO.weight")}
        for controller, (section, value, field) in asked.items():
            if controller in there:
                continue
            self.config["linux"]["resources"] = {section: value}
            self.refused_with([f"linux.resources.{field}", "write '", f"the {controller} controller is not available"], self.bundle.run("true"), controller)
        if len(there) > 3:  # a whole cgroup2: then the kernel judges the values
            self.config["linux"]["resources"] = {"cpu": {"cpus": "4000"}}
            self.refused_with(["cpuset.cpus", "4000"], self.bundle.run("true"), "cpuset.cpus")

    def test_a_root_that_is_full(self):
        """The state directory's disk is full: an error with its words, nothing is left."""
        os.makedirs(self.bundle.state)
        self.assertEqual(os.system(f"mount -t tmpfs -o size=4k,nr_inodes=2 full {self.bundle.state}"), 0)
        self.addCleanup(os.system, f"umount {self.bundle.state}")
        self.refused_with(["No space left on device"], self.bundle.run("true"), "a full disk")
