"""Containers of an ordinary user, and of a root that is only a user namespace's."""
import fcntl
import json
import os
import shutil
import subprocess
import tempfile

from bundles import mount
from cases import Case, SLIPWAY, until

USER, FIRST = 12345, 200000
F_GET_SEALS = 1034
MAP = [{"containerID": 0, "hostID": USER, "size": 1}, {"containerID": 1, "hostID": FIRST, "size": 65536}]
folder = None


def setUpModule():
    """The runner's tests have a mount namespace of their own (v2view): a user with subordinate ids is made in it alone."""
    global folder
    folder = tempfile.mkdtemp(prefix="slipway-rootless-")
    os.chmod(folder, 0o755)
    shutil.copy(SLIPWAY, folder + "/slipway")
    lines = {"/etc/passwd": f"slipway-test:x:{USER}:{USER}::/:/bin/sh\n", "/etc/subuid": f"slipway-test:{FIRST}:65536\n",
             "/etc/subgid": f"slipway-test:{FIRST}:65536\n"}
    # Over copies: a file that is not there could not be covered.
    shutil.copytree("/etc", folder + "/etc", symlinks=True)
    for path, line in lines.items():
        with open(folder + path, "a", encoding="utf-8") as file:
            file.write(line)
    subprocess.run(["mount", "--bind", folder + "/etc", "/etc"], check=True)


def tearDownModule():
    subprocess.run(["umount", "/etc"], check=True)
    shutil.rmtree(folder)


class Ordinary(Case):
    """The bundle is an ordinary user's."""

    PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

    def setUp(self):
        super().setUp()
        self.bundle.slipway = folder + "/slipway"
        self.own()
        self.config["linux"]["namespaces"].append({"type": "user"})
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = MAP
        del self.config["linux"]["cgroupsPath"]
        self.environment = {"PATH": self.PATH, "XDG_RUNTIME_DIR": self.bundle.path}
        self.as_user = {"user": USER, "group": USER, "extra_groups": [], "env": self.environment, "cwd": "/"}

    def own(self):
        for at, folders, files in os.walk(self.bundle.path):
            for name in [at] + [os.path.join(at, n) for n in folders + files]:
                os.lchown(name, USER, USER)

    def single(self):
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = MAP[:1]
        self.config["mounts"][2]["options"].remove("gid=5")

    def user_run(self, script, status=0):
        done = self.bundle.shell(script, **self.as_user)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return done.stdout


class Rootless(Ordinary):
    def test_one_id_without_tools(self):
        self.single()
        self.environment["PATH"] = "/nowhere"
        out = self.user_run("id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups; echo x > /dev/null && echo null; head -c 3 /dev/zero | wc -c; "
                            "hostname; echo $$; touch /work/file; echo x > /proc/sys/kernel/hostname || wc -c < /proc/keys")
        self.assertEqual(out.split(), ["0", "0", "0", str(USER), "1", "deny", "null", "3", "inside", "1", "0"])
        self.assertEqual(os.stat(self.bundle.rootfs + "/work/file").st_uid, USER)

    def test_several_ids_and_a_user_with_groups(self):
        self.config["process"]["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
        self.config["process"]["oomScoreAdj"] = -900  # only the machine's root may
        os.chmod(self.bundle.rootfs + "/work", 0o777)
        out = self.user_run("id -u; id -g; grep ^Groups: /proc/self/status; cat /proc/self/uid_map /proc/self/setgroups; touch /work/file")
        self.assertEqual(out.split(), ["5", "6", "Groups:", "7", "0", str(USER), "1", "1", str(FIRST), "65536", "allow"])
        self.assertEqual(os.stat(self.bundle.rootfs + "/work/file").st_uid, FIRST + 4)

    def test_life(self):
        self.assertEqual(self.bundle.create("sh", "-c", "echo ready; sleep 1000", **self.as_user), 0, self.bundle.output())
        call = lambda *words: self.bundle.call(*words, **self.as_user)
        self.assertEqual(json.loads(call("state", self.bundle.name).stdout)["status"], "created")
        self.assertEqual(call("start", self.bundle.name).returncode, 0)
        until("ready", lambda: "ready" in self.bundle.output())
        self.assertEqual(call("exec", "--user", "9:9", self.bundle.name, "sh", "-c", "id -u; echo /proc/[0-9]*").stdout.split()[:2],
                         ["9", "/proc/1"])
        done = call("exec", self.bundle.name, "ls", "/proc/self/fd")
        self.assertEqual(done.stdout.split()[:3], ["0", "1", "2"], done.stderr)
        self.assertIn("has no cgroup of its own", call("ps", self.bundle.name).stderr)
        self.assertIn("it must be stopped", call("delete", self.bundle.name).stderr)
        self.assertEqual(call("delete", "--force", self.bundle.name).returncode, 0)
        self.assertEqual(call("list", "--quiet").stdout, "")

    def test_state_is_in_the_users_runtime_directory(self):
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        start = [self.bundle.slipway, "create", "--bundle", self.bundle.path, "mine"]
        subprocess.run(start, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.as_user)
        self.assertEqual(os.listdir(self.bundle.path + "/slipway"), ["mine"])
        subprocess.run([self.bundle.slipway, "delete", "--force", "mine"], check=True, **self.as_user)

    def test_a_delegated_cgroup(self):
        delegated = f"/sys/fs/cgroup/slipway-rootless-{os.getpid()}"
        for path in (delegated, delegated + "/shell"):
            os.mkdir(path)
            self.addCleanup(os.rmdir, path)
        for name in ("", "/cgroup.procs", "/cgroup.subtree_control", "/shell", "/shell/cgroup.procs"):
            os.chown(delegated + name, USER, USER)

        def enter():
            with open(delegated + "/shell/cgroup.procs", "w", encoding="utf-8") as file:
                file.write("0")
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
        options = {"preexec_fn": enter, "env": self.environment}
        self.assertEqual(self.bundle.create("sleep", "1000", **options), 0, self.bundle.output())
        call = lambda *words: self.bundle.call(*words, **options)
        where = f"{delegated}/shell/slipway-{self.bundle.name}"
        self.assertEqual(call("ps", "-f", "json", self.bundle.name).stdout, f"[{self.bundle.state_of()['pid']}]\n")
        self.assertTrue(os.path.isdir(where))
        self.assertEqual(call("start", self.bundle.name).returncode, 0)
        self.assertEqual(call("pause", self.bundle.name).returncode, 0)
        self.assertEqual(call("resume", self.bundle.name).returncode, 0)
        self.assertEqual(call("delete", "--force", self.bundle.name).returncode, 0)
        self.assertFalse(os.path.exists(where))

    def test_spec(self):
        subprocess.run([self.bundle.slipway, "spec", "--rootless", "--bundle", self.bundle.path], check=True, **self.as_user)
        with open(self.bundle.path + "/config.json", encoding="utf-8") as file:
            config = json.load(file)
        config["process"]["terminal"] = False
        self.bundle.config = config
        self.assertEqual(self.user_run("id -u; mount | grep -c ' on /sys type sysfs (ro'; touch /sys/fs/cgroup/x || echo refused").split(),
                         ["0", "1", "refused"])

    def test_locked_flags_of_a_bind(self):
        self.single()
        source = self.bundle.path + "/volume"
        os.mkdir(source)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "nosuid,nodev,noatime,mode=777", "t", source], check=True)
        self.addCleanup(subprocess.run, ["umount", source], check=True)
        self.config["mounts"].append(mount("/volume", "bind", source, "rbind", "rw", "relatime"))
        self.assertIn("nosuid,nodev,noatime", self.user_run("touch /volume/x; mount | grep ' on /volume '"))

    def test_without_a_scope_its_properties_must_be_some(self):
        """The user has no systemd here: what was asked of it is gone without, but not what nobody could be asked."""
        self.single()
        run = lambda: self.bundle.call("--systemd-cgroup", "run", "--bundle", self.bundle.path, self.bundle.name, **self.as_user)
        self.config["process"]["args"] = ["true"]
        for value, wanted in (("90", ""), ("soon", "annotations.org.systemd.property.TimeoutStopSec")):
            self.config["annotations"] = {"org.systemd.property.TimeoutStopSec": value}
            self.bundle.save()
            done = run()
            self.assertEqual((done.returncode == 0, wanted in done.stderr), (wanted == "", True), done.stderr)

    def test_refused_by_name(self):
        run = lambda: self.bundle.run("true", **self.as_user)
        self.config["linux"]["resources"] = {"pids": {"limit": 10}}
        self.refused("make the cgroup", run())
        del self.config["linux"]["resources"]
        self.config["linux"]["uidMappings"] = MAP[1:]
        self.refused(f"the container's id 0 has to be your own, {USER}", run())
        self.config["linux"]["uidMappings"] = MAP[:1] + [{"containerID": 1, "hostID": 1, "size": 5}]
        self.refused("newuidmap ended with 1", run())
        self.environment["PATH"] = "/nowhere"
        self.refused("newuidmap, which is not here", run())
        self.config["linux"]["namespaces"].pop()
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = []
        self.refused("a user namespace is needed", run())
        self.assertIn("none of true, false and auto", self.bundle.call("--rootless", "maybe", "list").stderr)

    def test_ids_of_mounts_are_refused_by_name(self):
        self.config["mounts"].append(mount("/volume", "none", "/etc", "rbind", "idmap"))
        self.refused("'idmap': there are neither uidMappings nor a user namespace to take them from (an ordinary user's", self.bundle.run("true", **self.as_user))
        self.config["mounts"][-1] |= {name: [{"containerID": 0, "hostID": 1, "size": 1}] for name in ("uidMappings", "gidMappings")}
        self.refused("only who may mount its file system may map its ids", self.bundle.run("true", **self.as_user))
        for name in ("uidMappings", "gidMappings"):
            self.config["mounts"][-1][name][0]["hostID"] = 400000000
        self.refused("write the id map '0 400000000 1;' to uid_map (ids that this process may not map", self.bundle.run("true", **self.as_user))

    def test_a_runner_that_works_in_memory(self):
        """exec has no mount namespace of its own to clone its program in: a sealed copy is what /proc/PID/exe leads to."""
        self.assertEqual(self.bundle.create("sleep", "1000", **self.as_user), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name, **self.as_user).returncode, 0)
        exe = self.runner_of(["exec", self.bundle.name, "sleep", "1000"])
        self.assertIn("memfd:slipway", os.readlink(exe))
        self.assertRaises(OSError, open, exe, "r+b")  # ETXTBSY while it runs; afterwards the seals
        with open(exe, "rb") as program:
            everything = 15  # F_SEAL_SEAL, SHRINK, GROW, WRITE
            self.assertEqual(fcntl.fcntl(program, F_GET_SEALS) & everything, everything)

    def test_a_runner_that_works_from_a_clone(self):
        exe = self.runner_of(["run", "--bundle", self.bundle.path, self.bundle.name], program=["sleep", "1000"])
        self.assertEqual(os.readlink(exe), "/")
        self.assertTrue(os.statvfs(exe).f_flag & os.ST_RDONLY)

    def test_a_program_that_is_read_only_is_run_as_it_is(self):
        program = folder + "/slipway"
        subprocess.run(["mount", "--bind", program, program], check=True)
        self.addCleanup(subprocess.run, ["umount", program], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", program], check=True)
        self.as_user = {}  # root: nobody's id maps make it execute itself again
        self.config["linux"]["namespaces"].pop()
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = []
        self.config["linux"]["cgroupsPath"] = self.bundle.cgroup_path
        self.assertEqual(os.readlink(self.runner_of(["run", "--bundle", self.bundle.path, self.bundle.name], program=["sleep", "1000"])), program)

    def runner_of(self, words, program=None):
        """A runner in the foreground, once its program sleeps."""
        if program:
            self.config["process"]["args"] = program
            self.bundle.save()
        process = subprocess.Popen([self.bundle.slipway, "--root", self.bundle.state, *words], stdin=subprocess.DEVNULL, **self.as_user)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def name_of(child):
            try:
                with open(f"/proc/{child}/comm", encoding="utf-8") as file:
                    return file.read()
            except OSError:  # a helper of the runner's, gone meanwhile: ENOENT, or ESRCH while it is read
                return ""

        def sleeps():
            with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8") as file:
                return "sleep\n" in map(name_of, file.read().split())
        # Its record comes after the program: a runner that is killed before leaves a process that nobody knows.
        until("the program runs", lambda: sleeps() and self.bundle.state_of())
        return f"/proc/{process.pid}/exe"


class Nested(Ordinary):
    """Root of a user namespace that somebody else made, as podman's is for an ordinary user."""

    WRAP = ["unshare", "--user", "--map-root-user", "--mount"]

    def test_its_root(self):
        self.skip_users()
        out = self.within("id -u; cat /proc/self/uid_map; echo x > /dev/null && echo null; cat /proc/self/oom_score_adj; mount | grep -c ' on /sys type sysfs'")
        self.assertEqual(out.split(), ["0", "0", str(USER), "1", "null", "0", "1"])

    def test_the_hosts_network(self):
        self.skip_users()
        self.config["linux"]["namespaces"] = [n for n in self.config["linux"]["namespaces"] if n["type"] != "network"]
        self.assertEqual(self.within("mount | grep -c ' on /sys type sysfs (ro'; touch /sys/x || echo refused").split(), ["1", "refused"])

    def test_a_user_namespace_in_it(self):
        self.single()
        for key in ("uidMappings", "gidMappings"):
            self.config["linux"][key] = [{"containerID": 0, "hostID": 0, "size": 1}]
        self.assertEqual(self.within("id -u; echo x > /dev/null && echo null; stat -c %t:%T /dev/null").split(), ["0", "null", "1:3"])

    def skip_users(self):
        self.single()
        self.config["linux"]["namespaces"].pop()
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = []
        self.config["process"]["oomScoreAdj"] = -900

    def within(self, script):
        self.config["process"]["args"] = ["sh", "-c", script]
        self.bundle.save()
        done = subprocess.run([*self.WRAP, self.bundle.slipway, "--root", self.bundle.state, "run", "--bundle", self.bundle.path, self.bundle.name],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60, **self.as_user)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout
