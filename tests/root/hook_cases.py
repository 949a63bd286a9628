"""Hooks: when they run, where, as whom, with what, and what their failures do."""
import json
import os
import time

from cases import SLIPWAY, Case, until

CREATE = ("prestart", "createRuntime", "createContainer")
KINDS = CREATE + ("startContainer", "poststart", "poststop")


def hook(script, *env, **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": list(env), **more}


class Hooks(Case):
    def setUp(self):
        super().setUp()
        self.log = self.bundle.path + "/log"
        self.inside = self.bundle.rootfs + "/work/log"  # of startContainer, which sees the container's root only
        os.chmod(self.bundle.rootfs + "/work", 0o777)
        self.hooks = self.config["hooks"] = {}

    def logged(self, path=None):
        if not os.path.exists(path or self.log):
            return []
        with open(path or self.log, encoding="utf-8") as file:
            return file.read().splitlines()

    def started(self, *args):
        self.assertEqual(self.bundle.create(*args), 0, self.bundle.output())
        return self.bundle.call("start", self.bundle.name)

    def test_order_and_state(self):
        self.config["annotations"] = {"org.example/key": "value"}
        for kind in KINDS:
            log = "/work/log" if kind == "startContainer" else self.log
            self.hooks[kind] = [hook(f'echo "{kind}{n} $(cat)" >> {log}') for n in (0, 1)]
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        pid = self.bundle.state_of()["pid"]
        self.assertEqual(len(self.logged()), 6)
        self.assertEqual(self.logged(self.inside), [])
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        self.assertEqual(len(self.logged()), 8)
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        lines = [line.split(" ", 1) for line in self.logged() + self.logged(self.inside)]
        self.assertEqual([name for name, _ in lines], [f"{k}{n}" for k in CREATE + KINDS[4:] + ("startContainer",) for n in (0, 1)])
        status = dict.fromkeys(CREATE, "creating") | {"prestart": "created", "startContainer": "created", "poststart": "running", "poststop": "stopped"}
        for name, text in lines:
            kind = name[:-1]
            wanted = {"ociVersion": "1.2.0", "id": self.bundle.name, "status": status[kind], "bundle": self.bundle.path,
                      "annotations": {"org.example/key": "value"}}
            self.assertEqual(json.loads(text), wanted | ({} if kind == "poststop" else {"pid": pid}), name)

    def test_run_has_them_all(self):
        for kind in KINDS:
            self.hooks[kind] = [hook(f"echo {kind} >> {'/work/log' if kind == 'startContainer' else self.log}")]
        self.assertEqual(self.shell("cat /work/log; exit 3", status=3), "startContainer\n")
        self.assertEqual(self.logged(), list(CREATE) + ["poststart", "poststop"])

    def test_namespaces(self):
        names = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
        script = "for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done >> "
        for kind in KINDS:
            self.hooks[kind] = [hook(script + ("/work/log" if kind == "startContainer" else f"{self.log}.{kind}"))]
        self.assertEqual(self.started("sleep", "1000").returncode, 0)
        pid = self.bundle.state_of()["pid"]
        container = [os.readlink(f"/proc/{pid}/ns/{name}") for name in names]
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        own = [os.readlink(f"/proc/self/ns/{name}") for name in names]
        for kind in ("prestart", "createRuntime", "poststart", "poststop"):
            self.assertEqual(self.logged(f"{self.log}.{kind}"), own, kind)
        self.assertEqual(self.logged(self.inside), container)
        # Its cgroup namespace is the container's, like all others.
        self.assertEqual(self.logged(self.log + ".createContainer"), container)

    def test_environment_directory_and_descriptors_are_given_ones(self):
        self.config["process"]["env"].append("LD_PRELOAD=/work/evil.so")
        script = "tr '\\0' '\\n' < /proc/self/environ; pwd; ls -l /proc/self/fd"
        leaked = os.open("/etc/hostname", os.O_RDONLY)
        self.addCleanup(os.close, leaked)
        for kind in KINDS:
            self.hooks[kind] = [hook(f"( {script} ) >> " + ("/work/log" if kind == "startContainer" else f"{self.log}.{kind}"), "PATH=/bin")]
        done = self.bundle.shell("true", pass_fds=(leaked,))
        self.assertEqual(done.returncode, 0, done.stderr)
        for kind in KINDS:
            lines = self.logged(self.inside if kind == "startContainer" else f"{self.log}.{kind}")
            self.assertEqual(lines[:2], ["PATH=/bin", "/" if kind == "startContainer" else self.bundle.path], kind)
            self.assertNotIn("/etc/hostname", "".join(lines[2:]), kind)
            self.assertIn("slipway-state", "".join(lines[2:]), kind)

    def test_failure_of_create_undoes_it(self):
        for kind in CREATE:
            self.hooks.clear()
            self.hooks[kind] = [hook(f"cat >> {self.log}"), hook("echo no luck >&2; exit 3"), hook(f"echo third >> {self.log}")]
            self.hooks["poststop"] = [hook(f"echo poststop >> {self.log}")]
            if os.path.exists(self.log):
                os.unlink(self.log)
            done = self.bundle.run("true")
            self.refused(f"hooks.{kind}[1] '/bin/sh': exit status 3: no luck", done)
            self.assertEqual(len(self.logged()), 1, self.logged())
            self.assertTrue(self.logged()[0].endswith("}poststop"), self.logged())
            self.assertEqual(self.bundle.create("true"), 1)

    def test_time_out(self):
        marker = str(70000 + os.getpid() % 1000)
        for kind in ("createRuntime", "createContainer", "startContainer"):
            self.hooks.clear()
            self.hooks[kind] = [hook(f"sleep {marker} & echo waiting; sleep {marker}", "PATH=/bin:/usr/bin", timeout=1)]
            begun = time.monotonic()
            self.refused(f"hooks.{kind}[0] '/bin/sh': not done within its timeout of 1 s, killed: waiting", self.bundle.run("true"))
            self.assertLess(time.monotonic() - begun, 10)
            self.assertEqual([p for p in os.listdir("/proc") if p.isdigit() and self.sleeps(p, marker)], [], kind)
        self.hooks.clear()
        self.hooks["createRuntime"] = [hook("exit 0", timeout=60)]
        self.shell("true")

    @staticmethod
    def sleeps(pid, marker):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                return file.read() == f"sleep\0{marker}\0"
        except OSError:
            return False

    def test_start_hook_is_confined_as_the_program_is(self):
        self.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7]}
        self.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}
        script = "grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' /proc/self/status; cat /proc/self/cgroup; mkdir /work/x 2>&1; true"
        self.hooks["startContainer"] = [hook(f"( {script} ) > /work/log", "PATH=/bin")]
        done = self.bundle.shell(script)
        self.assertIn("Operation not permitted", done.stdout)
        self.assertIn("Uid:\t1000", done.stdout)
        self.assertEqual("\n".join(self.logged(self.inside)) + "\n", done.stdout)

    def test_failing_start_hook_ends_the_container(self):
        self.hooks["startContainer"] = [hook("exit 4")]
        done = self.started("touch", "/work/begun")
        self.assertEqual(done.returncode, 1)
        self.assertIn("hooks.startContainer[0] '/bin/sh': exit status 4", done.stderr)
        self.assertEqual(self.bundle.state_of()["status"], "stopped")
        self.assertFalse(os.path.exists(self.bundle.rootfs + "/work/begun"))
        self.hooks["startContainer"] = [{"path": "/no/such/hook"}]
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        self.refused("hooks.startContainer[0] '/no/such/hook'", self.bundle.run("true"))

    def test_poststop_failures_are_warnings(self):
        self.hooks["poststop"] = [hook("exit 5"), {"path": "/no/such/hook"}, hook(f"echo poststop >> {self.log}")]
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        log = self.bundle.path + "/slipway.log"
        done = self.bundle.call("--log", log, "--log-format", "json", "run", "--bundle", self.bundle.path, self.bundle.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.logged(), ["poststop"])
        entries = [json.loads(line) for line in self.logged(log)]
        self.assertEqual([e["level"] for e in entries], ["warning"] * 2)
        self.assertIn("hooks.poststop[0] '/bin/sh': exit status 5", entries[0]["msg"])
        self.assertIn("hooks.poststop[1] '/no/such/hook': execute it: No such file or directory", entries[1]["msg"])

    def test_failing_poststart_hook_is_a_warning_up_to_1_2(self):
        self.hooks["poststart"] = [hook("exit 5"), hook(f"echo next >> {self.log}")]
        for version in ("1.0.2-dev", "1.2.0"):
            self.config["ociVersion"] = version
            done = self.bundle.run("sh", "-c", "sleep 0.3; echo goes on")
            self.assertEqual((done.returncode, done.stdout), (0, "goes on\n"))
            self.assertIn("slipway: warning: hooks.poststart[0] '/bin/sh': exit status 5", done.stderr)
        self.assertEqual(self.logged(), ["next"] * 2)

    def test_failing_poststart_hook_ends_the_container(self):
        self.config["ociVersion"] = "1.3.0"
        self.hooks["poststart"] = [hook(f"cat /proc/$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')/cmdline > {self.log}; exit 5", "PATH=/bin:/usr/bin"),
                                   hook(f"echo never >> {self.log}")]
        self.hooks["poststop"] = [hook(f"echo poststop >> {self.log}")]
        done = self.started("sleep", "1000")
        self.assertEqual(done.returncode, 1)
        self.assertIn("hooks.poststart[0] '/bin/sh': exit status 5", done.stderr)
        self.assertEqual(self.logged(), ["sleep\0" + "1000\0"])
        self.assertEqual(self.bundle.state_of()["status"], "stopped")
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        os.unlink(self.log)
        self.refused("hooks.poststart[0] '/bin/sh': exit status 5", self.bundle.run("sleep", "1000"))
        self.assertEqual(self.logged(), ["sleep\0" + "1000\0poststop"])

    def test_delete_goes_on_without_its_hooks(self):
        self.hooks["poststop"] = [hook(f"echo poststop >> {self.log}")]
        self.assertEqual(self.bundle.create("true"), 0, self.bundle.output())
        with open(f"{self.bundle.state}/{self.bundle.name}/config.json", "w", encoding="utf-8") as file:
            file.write("{")
        done = self.bundle.call("delete", "--force", self.bundle.name)
        self.assertEqual((done.returncode, self.logged()), (0, []), done.stderr)
        self.assertIn("warning: no poststop hooks are run: config.json", done.stderr)
        self.assertFalse(os.path.exists(self.bundle.cgroup()))

    def test_a_hook_changes_the_root_before_it_is_the_root(self):
        given = self.bundle.path + "/given"
        os.makedirs(given)
        with open(given + "/file", "w", encoding="utf-8") as file:
            file.write("from a hook\n")
        self.config["root"]["readonly"] = True
        bind = f"mount --bind {given} {self.bundle.rootfs}/work && echo made > {self.bundle.rootfs}/tmp/made"
        self.hooks["createContainer"] = [hook(bind, "PATH=/bin:/usr/bin")]
        self.assertEqual(self.shell("cat /work/file /tmp/made"), "from a hook\nmade\n")
        self.assertEqual(os.listdir(self.bundle.rootfs + "/work"), [])
        # Through the process's mount namespace, as hooks of the caller's namespaces do it.
        script = f"pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); nsenter -t $pid -m {bind}"
        self.hooks.clear()
        self.hooks["createRuntime"] = [hook(script, "PATH=/bin:/usr/bin")]
        self.assertEqual(self.shell("cat /work/file /tmp/made"), "from a hook\nmade\n")

    def test_in_a_user_namespace(self):
        maps = [{"containerID": 0, "hostID": 200000, "size": 65536}]
        self.config["linux"]["namespaces"].append({"type": "user"})
        self.config["linux"].update({"uidMappings": maps, "gidMappings": maps})
        os.chmod(self.bundle.path, 0o755)
        os.chmod(self.bundle.rootfs + "/work", 0o777)
        open(self.log, "w", encoding="utf-8").close()
        os.chmod(self.log, 0o666)
        self.hooks["createRuntime"] = [hook(f"cat /proc/self/uid_map >> {self.log}")]
        self.hooks["createContainer"] = [hook(f"cat /proc/self/uid_map >> {self.log}; id -u >> {self.log}", "PATH=/bin:/usr/bin")]
        self.hooks["startContainer"] = [hook("cat /proc/self/uid_map > /work/log")]
        self.shell("true")
        lines = [line.split() for line in self.logged() + self.logged(self.inside)]
        self.assertEqual(lines, [["0", "0", "4294967295"], ["0", "200000", "65536"], ["0"], ["0", "200000", "65536"]])

    def test_what_cannot_be_a_hook_is_refused(self):
        for bad, part in (({"path": "bin/sh"}, "hooks.prestart[0].path: 'bin/sh' is not absolute"), ({}, "hooks.prestart[0].path: '' is not"),
                          ({"path": "/bin/sh", "timeout": 0}, "hooks.prestart[0].timeout: 0 is not greater than zero"),
                          ({"path": "/bin/sh", "env": ["X"]}, "hooks.prestart[0].env[0]: is not NAME=value"),
                          ({"path": "/no/such"}, "hooks.prestart[0] '/no/such': execute it: No such file or directory")):
            self.hooks["prestart"] = [bad]
            self.refused(part, self.bundle.run("true"))
        del self.hooks["prestart"]
        self.hooks["ofAnotherVersion"] = {"unknown": 1}
        self.assertEqual(self.bundle.run("true").returncode, 0)
