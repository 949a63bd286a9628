"""Runtime handlers: pods whose containers another OCI runtime makes by its command line. slipway's own command line is such a runtime, always there;
Debian's crun and runc are tested where they are installed (the case cri-runtimes has both)."""
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from cases import until
from daemon import Daemon

BUILD = os.environ.get("SLIPWAY_BUILD", "")
CLIENT = os.path.dirname(os.path.realpath(__file__)) + "/../integration/stream_client.py"

# Waits where a fault is wanted: says so in FOLDER/at, goes on when FOLDER/go is there. The verb is the first word that is no option of before it.
WAITING = """#!/bin/sh
for word; do
  case $word in create | start | exec | delete) verb=$word; break ;; esac
done
case $verb in
{verb})
  {early}
  echo $$ > {folder}/at.new && mv {folder}/at.new {folder}/at
  until [ -e {folder}/go ]; do sleep 0.02; done
  {late} ;;
esac
exec {runtime} "$@"
"""


def may_raise_limits():
    with open("/proc/self/status", encoding="utf-8") as file:
        held = [int(line.split()[1], 16) for line in file if line.startswith("CapEff:")][0]
    return held >> 24 & 1  # CAP_SYS_RESOURCE


def handlers():
    found = {"cli": BUILD + "/bin/slipway"}
    # crun raises RLIMIT_MEMLOCK for its device program and gives up where it may not.
    for name in ("crun", "runc") if may_raise_limits() else ("runc",):
        path = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin")
        if path:
            found[name] = path
    return found


def config(binaries, more=""):
    return "".join(f"[runtimes.{name}]\nbinary = '{path}'\n{more}" for name, path in binaries.items())


class Runtimes(unittest.TestCase):
    def daemon(self, binaries, more=""):
        daemon = Daemon(BUILD, f"{BUILD}/bin", config=config(binaries, more))
        self.addCleanup(daemon.close)
        daemon.load()
        return daemon

    @staticmethod
    def pod(daemon, handler, name="pod", **linux):
        return daemon.cri("RunPodSandbox", {"config": daemon.pod_config(name, **linux), "runtime_handler": handler})["pod_sandbox_id"]

    @contextlib.contextmanager
    def fresh_pod(self, daemon, handler):
        """A subtest with a pod of the handler, of which nothing is left afterwards."""
        with self.subTest(handler):
            pod = self.pod(daemon, handler, name=handler)
            yield pod
            daemon.remove_pod(pod)
            self.nothing_left(daemon)
            shutil.rmtree(daemon.dir + "/logs", True)

    @staticmethod
    def creation(daemon, pod, name, *command, **more):
        """CreateContainer's request."""
        wanted = {**daemon.container_config(name, *command), "log_path": name + ".log", **more}
        return {"pod_sandbox_id": pod, "config": wanted, "sandbox_config": daemon.pod_config()}

    def create(self, daemon, *words, **more):
        return daemon.cri("CreateContainer", self.creation(daemon, *words, **more))["container_id"]

    def start(self, daemon, *words, **more):
        container = self.create(daemon, *words, **more)
        daemon.cri("StartContainer", {"container_id": container})
        return container

    @staticmethod
    def exited(daemon, container):
        until("exit", lambda: daemon.status(container)["state"] == "CONTAINER_EXITED")
        return daemon.status(container)

    @staticmethod
    def log(daemon, name):
        with open(f"{daemon.dir}/logs/{name}.log", encoding="utf-8", newline="\n") as file:
            return [line.rstrip("\n").split(" ", 3)[1::2] for line in file]

    @staticmethod
    def pid(daemon, container):
        with open(f"/sys/fs/cgroup{daemon.parent}/{Runtimes.cgroup(daemon, container)}/cgroup.procs", encoding="utf-8") as file:
            return int(file.readline())

    @staticmethod
    def cgroup(daemon, container):
        for folder, names, _ in os.walk("/sys/fs/cgroup" + daemon.parent):
            if container in names:
                return os.path.relpath(folder + "/" + container, "/sys/fs/cgroup" + daemon.parent)
        raise AssertionError(f"no cgroup of {container}")

    @staticmethod
    def runtimes_state(daemon):
        found = []
        for folder, names, _ in os.walk(daemon.state + "/runtimes"):
            if folder != daemon.state + "/runtimes":
                found += [f"{folder}/{name}" for name in names if len(name) == 64]
        return found

    def nothing_left(self, daemon):
        until("clean host", lambda: not daemon.left() and not self.runtimes_state(daemon), 20)

    def test_status_lists_them_all(self):
        daemon = self.daemon(handlers())
        status = daemon.cri("Status", {})
        listed = {handler.get("name", ""): handler.get("features", {}) for handler in status["runtime_handlers"]}
        self.assertEqual(set(listed), {"", "slipway", *handlers()})
        self.assertEqual(listed[""], listed["slipway"])
        rro = "recursive_read_only_mounts"
        self.assertEqual(listed["cli"].get(rro), listed["slipway"].get(rro))  # what `slipway features` says
        self.assertFalse(listed["cli"].get("user_namespaces"))

    def test_unknown_handler(self):
        daemon = self.daemon({"cli": BUILD + "/bin/slipway"})
        good, said = daemon.call("RunPodSandbox", {"config": daemon.pod_config(), "runtime_handler": "kata"})
        self.assertFalse(good)
        self.assertIn("INVALID_ARGUMENT", said)
        self.assertIn("runtime_handler: 'kata' is not configured; there are 'slipway', 'cli'", said)
        self.assertEqual(daemon.left(), [])

    def test_life_of_a_container(self):
        binaries = handlers()
        daemon = self.daemon(binaries)
        for handler in binaries:
            with self.fresh_pod(daemon, handler) as pod:
                status = daemon.cri("PodSandboxStatus", {"pod_sandbox_id": pod})["status"]
                self.assertEqual(status["runtime_handler"], handler)
                container = self.create(daemon, pod, "main", "sh", "-c", "echo out; echo err >&2; trap 'exit 5' TERM; while :; do sleep 0.1; done")
                self.assertEqual(daemon.status(container)["state"], "CONTAINER_CREATED")
                self.assertEqual(self.runtimes_state(daemon), [])  # its runtime is called at its start
                daemon.cri("StartContainer", {"container_id": container})
                self.assertEqual([path for path in daemon.left() if path.endswith("/rootfs")], [])  # mounted while it was made alone
                with open(f"/proc/{self.pid(daemon, container)}/status", encoding="utf-8") as file:
                    parent = [line.split()[1] for line in file if line.startswith("PPid:")][0]
                self.assertTrue(os.path.samestat(os.stat(f"/proc/{parent}/exe"), os.stat(BUILD + "/bin/slipway-monitor")))
                done = daemon.cri("ExecSync", {"container_id": container, "cmd": ["sh", "-c", "echo in; echo no >&2; exit 3"], "timeout": 30})
                self.assertEqual((base64.b64decode(done["stdout"]), base64.b64decode(done["stderr"]), done["exit_code"]), (b"in\n", b"no\n", 3))
                good, said = daemon.call("ExecSync", {"container_id": container, "cmd": ["no-such-program"], "timeout": 30})
                self.assertFalse(good)
                self.assertIn("no-such-program", said)
                good, said = daemon.call("ExecSync", {"container_id": container, "cmd": ["sleep", "60"], "timeout": 1})
                self.assertFalse(good)
                self.assertIn("DEADLINE_EXCEEDED", said)
                stats = daemon.cri("ContainerStats", {"container_id": container})["stats"]
                self.assertEqual(stats["attributes"]["id"], container)
                until("both lines", lambda: sorted(self.log(daemon, "main")) == [["stderr", "err"], ["stdout", "out"]])
                daemon.cri("StopContainer", {"container_id": container, "timeout": 20})
                ended = daemon.status(container)
                self.assertEqual((ended["exit_code"], ended["reason"]), (5, "Error"))
                brief = self.start(daemon, pod, "brief", "true")
                self.assertEqual(self.exited(daemon, brief)["reason"], "Completed")
                daemon.cri("RemoveContainer", {"container_id": container})
                self.assertEqual([path for path in self.runtimes_state(daemon) if container in path], [])

    def test_what_cannot_start_leaves_nothing(self):
        binaries = handlers()
        daemon = self.daemon(binaries)
        for handler in binaries:
            with self.fresh_pod(daemon, handler) as pod:
                container = self.create(daemon, pod, "bad", "no-such-program")
                good, said = daemon.call("StartContainer", {"container_id": container})
                self.assertEqual(daemon.status(container)["reason"], "StartError")
                self.assertFalse(good)
                self.assertIn("no-such-program", said)

    def test_terminals(self):
        binaries = handlers()
        daemon = self.daemon(binaries)
        for handler in binaries:
            with self.fresh_pod(daemon, handler) as pod:
                container = self.start(daemon, pod, "main", "sh", "-c", "test -t 1 && echo terminal; read x; echo got $x; exec sleep 1000", tty=True, stdin=True)
                until("a line", lambda: ["stdout", "terminal\r"] in self.log(daemon, "main"))
                request = {"container_id": container, "cmd": ["sh", "-c", "test -t 0 && read x && echo typed $x; exit 4"], "tty": True, "stdin": True, "stdout": True}
                url = daemon.cri("Exec", request)["url"]
                done = subprocess.run([CLIENT, "spdy", "command", url, "--tty", "80x24", "--keep", "--stdin", "word\\n"], capture_output=True, check=False, timeout=60)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn(b"typed word", done.stdout)
                url = daemon.cri("Attach", {"container_id": container, "tty": True, "stdin": True, "stdout": True})["url"]
                subprocess.run([CLIENT, "spdy", "command", url, "--tty", "80x24", "--keep", "--stdin", "hello\\n", "--until", "got hello", "--leave"],
                               capture_output=True, check=False, timeout=60)
                until("what was typed", lambda: ["stdout", "got hello\r"] in self.log(daemon, "main"))

    def test_exec_ends_with_its_client(self):
        """With all that it has started, where the runtime's exec takes a cgroup (all of these do)."""
        binaries = handlers()
        daemon = self.daemon(binaries)
        for handler in binaries:
            with self.fresh_pod(daemon, handler) as pod:
                container = self.start(daemon, pod, "main", "sleep", "1000")
                request = {"container_id": container, "cmd": ["sh", "-c", "sleep 777 & echo there; wait"], "stdout": True}
                url = daemon.cri("Exec", request)["url"]
                done = subprocess.run([CLIENT, "spdy", "command", url, "--no-stderr", "--until", "there", "--leave"], capture_output=True, check=False, timeout=60)
                self.assertIn(b"there", done.stdout)
                folder = f"/sys/fs/cgroup{daemon.parent}/{self.cgroup(daemon, container)}"
                until("end of the session", lambda: not any(name.startswith("exec-") for name in os.listdir(folder)))
                with open(folder + "/cgroup.procs", encoding="utf-8") as file:
                    self.assertEqual(len(file.readlines()), 1)

    def test_every_process_is_made_by_the_handler(self):
        """An exec too: beside a runtime that is a sandbox, our own runner would put it onto the host's kernel."""
        for name, binary in handlers().items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                with open(folder + "/runtime", "w", encoding="utf-8") as file:
                    file.write(f'#!/bin/sh\necho "$@" >> {folder}/calls\nexec {binary} "$@"\n')
                os.chmod(folder + "/runtime", 0o755)
                daemon = self.daemon({"told": folder + "/runtime"})
                os.remove(folder + "/calls")  # what it was asked at the start
                pod = self.pod(daemon, "told")
                container = self.start(daemon, pod, "main", "sleep", "1000")
                daemon.cri("ExecSync", {"container_id": container, "cmd": ["true"], "timeout": 30})
                url = daemon.cri("Exec", {"container_id": container, "cmd": ["true"], "stdout": True})["url"]
                subprocess.run([CLIENT, "spdy", "command", url, "--no-stderr"], capture_output=True, check=False, timeout=60)
                daemon.remove_pod(pod)
                with open(folder + "/calls", encoding="utf-8") as file:
                    verbs = [[word for word in line.split() if word in ("create", "start", "exec", "delete")][0] for line in file]
                self.assertEqual(verbs, ["create", "start", "exec", "exec", "delete"])

    def test_default_and_annotations(self):
        daemon = Daemon(BUILD, f"{BUILD}/bin", config=f"""default_runtime = "cli"
[runtimes.cli]
binary = "{BUILD}/bin/slipway"
root = "/run/slipway-test-{os.getpid()}"
pod_annotations = ["org.example.*"]
container_annotations = ["only.this"]
privileged_without_host_devices = true
[runtimes.cli.default_annotations]
"org.example.a" = "default"
"org.example.b" = "default"
""")
        self.addCleanup(daemon.close)
        self.addCleanup(shutil.rmtree, f"/run/slipway-test-{os.getpid()}", True)
        daemon.load()
        pod_config = {**daemon.pod_config(), "annotations": {"org.example.a": "pod", "com.example.c": "kept out"}}
        pod_config["linux"]["security_context"]["privileged"] = True
        pod = daemon.cri("RunPodSandbox", {"config": pod_config})["pod_sandbox_id"]
        self.assertEqual(daemon.cri("PodSandboxStatus", {"pod_sandbox_id": pod})["status"]["runtime_handler"], "")
        wanted = {**daemon.container_config("main", "sleep", "1000"), "annotations": {"only.this": "yes", "only.that": "no"}}
        wanted["linux"]["security_context"]["privileged"] = True
        container = daemon.cri("CreateContainer", {"pod_sandbox_id": pod, "config": wanted, "sandbox_config": pod_config})["container_id"]
        daemon.cri("StartContainer", {"container_id": container})
        state = subprocess.run([BUILD + "/bin/slipway", "--root", f"/run/slipway-test-{os.getpid()}", "state", container], capture_output=True, text=True, check=True)
        annotations = json.loads(state.stdout)["annotations"]
        wanted = {"org.example.a": "pod", "org.example.b": "default", "only.this": "yes"}
        self.assertEqual({name: value for name, value in annotations.items() if not name.startswith("io.kubernetes.cri.")}, wanted)
        seen = daemon.cri("ExecSync", {"container_id": container, "cmd": ["ls", "/dev"], "timeout": 30})
        self.assertNotIn(b"kmsg", base64.b64decode(seen["stdout"]).split())
        daemon.remove_pod(pod)
        self.nothing_left(daemon)
        self.assertEqual(os.listdir(f"/run/slipway-test-{os.getpid()}"), [])

    @staticmethod
    def waiting(folder, verb, early="", late=""):
        """A handler's binary that waits in a verb, for a fault."""
        path = folder + "/waiting"
        with open(path, "w", encoding="utf-8") as file:
            file.write(WAITING.format(verb=verb, early=early, late=late, folder=folder, runtime=BUILD + "/bin/slipway"))
        os.chmod(path, 0o755)
        return path

    @staticmethod
    def caller(folder):
        """Such a binary's process, once it waits."""
        until("the runtime's call", lambda: os.path.exists(folder + "/at"))
        with open(folder + "/at", encoding="utf-8") as file:
            return int(file.read())

    def begin(self, daemon, method, request):
        said = []
        thread = threading.Thread(target=lambda: said.append(daemon.call(method, request)))
        thread.start()
        self.addCleanup(thread.join)
        return thread, said

    def folder(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return folder

    @staticmethod
    def restart(daemon, settings):
        with open(daemon.dir + "/config.toml", "w", encoding="utf-8") as file:
            file.write(settings)
        daemon.process = subprocess.Popen(daemon.process.args, stderr=daemon.log, umask=0)
        until("answer of slipwayd", lambda: daemon.slipctl("version").returncode == 0 or daemon.process.poll() is not None)

    def test_what_a_killed_start_makes_late_is_removed(self):
        """Later than the next slipwayd is told what its monitor has."""
        folder = self.folder()
        binaries = {"cli": self.waiting(folder, "create")}
        daemon = self.daemon(binaries)
        pod = self.pod(daemon, "cli")
        container = self.create(daemon, pod, "main", "sleep", "1000")
        thread, _ = self.begin(daemon, "StartContainer", {"container_id": container})
        self.caller(folder)
        daemon.process.kill()
        daemon.process.wait()
        thread.join()
        self.restart(daemon, config(binaries))
        with open(folder + "/go", "w", encoding="utf-8"):
            pass
        until("its process", lambda: any(container in names for _, names, _ in os.walk("/sys/fs/cgroup" + daemon.parent)))
        self.assertEqual(daemon.status(container)["state"], "CONTAINER_CREATED")
        daemon.cri("RemoveContainer", {"container_id": container})
        self.assertEqual([path for path in self.runtimes_state(daemon) if container in path], [])
        self.assertFalse(any(container in names for _, names, _ in os.walk("/sys/fs/cgroup" + daemon.parent)))
        daemon.remove_pod(pod)
        self.nothing_left(daemon)

    def test_slipwayd_is_killed_while_it_starts(self):
        """In the middle of its runtime's `create`, which goes on: the next start takes what came of it."""
        for moment in ({"early": ":"}, {"early": f'{BUILD}/bin/slipway "$@"; made=$?', "late": "exit $made"}):
            with self.subTest(str(moment)):
                folder = self.folder()
                binaries = {"cli": self.waiting(folder, "create", **moment)}
                daemon = self.daemon(binaries)
                pod = self.pod(daemon, "cli")
                container = self.create(daemon, pod, "main", "sleep", "1000")
                thread, _ = self.begin(daemon, "StartContainer", {"container_id": container})
                self.caller(folder)
                daemon.process.kill()
                daemon.process.wait()
                thread.join()
                restarted = threading.Thread(target=self.restart, args=(daemon, config(binaries)))
                restarted.start()
                with open(folder + "/go", "w", encoding="utf-8"):
                    pass
                restarted.join()
                self.assertEqual(daemon.status(container)["state"], "CONTAINER_CREATED")
                daemon.cri("StartContainer", {"container_id": container})
                self.assertEqual(daemon.status(container)["state"], "CONTAINER_RUNNING")
                daemon.remove_pod(pod)
                self.nothing_left(daemon)

    def test_its_runtime_is_killed(self):
        for verb in ("create", "start"):
            with self.subTest(verb):
                folder = self.folder()
                daemon = self.daemon({"cli": self.waiting(folder, verb)})
                pod = self.pod(daemon, "cli")
                container = self.create(daemon, pod, "main", "sleep", "1000")
                thread, said = self.begin(daemon, "StartContainer", {"container_id": container})
                os.kill(self.caller(folder), signal.SIGKILL)
                thread.join()
                self.assertFalse(said[0][0])
                self.assertIn(f"waiting {verb}: it was killed by signal 9", said[0][1])
                self.assertEqual(daemon.status(container)["reason"], "StartError")
                daemon.remove_pod(pod)
                self.nothing_left(daemon)

    def test_its_monitor_is_killed(self):
        """While a container runs, and while another is made: the runtime dies with its caller, what it has made goes with the pod."""
        folder = self.folder()
        daemon = self.daemon({"cli": self.waiting(folder, "create", early=f'[ -e {folder}/first ] || {{ : > {folder}/first; exec {BUILD}/bin/slipway "$@"; }}; {BUILD}/bin/slipway "$@"')})
        pod = self.pod(daemon, "cli")
        first = self.start(daemon, pod, "first", "sleep", "1000")
        monitor = next(iter(daemon.monitor_cgroups() - daemon.monitors_before))
        with open(f"/sys/fs/cgroup/slipway-monitors/{monitor}/cgroup.procs", encoding="utf-8") as file:
            pids = [int(line) for line in file]
        second = self.create(daemon, pod, "second", "sleep", "1000")
        thread, said = self.begin(daemon, "StartContainer", {"container_id": second})
        waiting = self.caller(folder)
        os.kill(min(pids), signal.SIGKILL)
        thread.join()
        self.assertFalse(said[0][0])
        self.assertEqual(self.exited(daemon, first)["reason"], "MonitorLost")
        until("the runtime's end", lambda: not os.path.exists(f"/proc/{waiting}"))
        daemon.remove_pod(pod)
        self.nothing_left(daemon)

    def test_handler_that_is_gone(self):
        """From the configuration after a restart, its binary from the disk too: its pods go on, can be stopped and removed."""
        folder = self.folder()
        shutil.copy(BUILD + "/bin/slipway", folder + "/mine")
        daemon = self.daemon({"mine": folder + "/mine"})
        pod = self.pod(daemon, "mine")
        container = self.start(daemon, pod, "main", "sleep", "1000")
        daemon.process.kill()
        daemon.process.wait()
        self.restart(daemon, "")
        os.remove(folder + "/mine")
        self.assertEqual(daemon.status(container)["state"], "CONTAINER_RUNNING")
        good, said = daemon.call("CreateContainer", self.creation(daemon, pod, "more", "true"))
        self.assertFalse(good)
        self.assertIn("FAILED_PRECONDITION: the pod's runtime handler 'mine' is not in the configuration any more", said)
        daemon.cri("StopContainer", {"container_id": container, "timeout": 0})
        self.assertEqual(daemon.status(container)["exit_code"], 137)
        daemon.cri("StopPodSandbox", {"pod_sandbox_id": pod})
        daemon.remove_pod(pod)
        self.nothing_left(daemon)

    def test_restart_in_between(self):
        binaries = handlers()
        daemon = self.daemon(binaries)
        lives = {}
        for handler in binaries:
            pod = self.pod(daemon, handler, name=handler)
            lives[handler] = (pod, self.create(daemon, pod, "waits-" + handler, "sleep", "1000"),
                              self.start(daemon, pod, "runs-" + handler, "sh", "-c", "sleep 1; echo later; exec sleep 1000"))
        daemon.process.kill()
        daemon.process.wait()
        self.restart(daemon, config(binaries))
        for handler, (pod, waits, runs) in lives.items():
            with self.subTest(handler):
                daemon.cri("StartContainer", {"container_id": waits})
                self.assertEqual(daemon.status(waits)["state"], "CONTAINER_RUNNING")
                done = daemon.cri("ExecSync", {"container_id": runs, "cmd": ["true"], "timeout": 30})
                self.assertEqual(done.get("exit_code", 0), 0)
                until("its log", lambda name="runs-" + handler: self.log(daemon, name) == [["stdout", "later"]])
                daemon.remove_pod(pod)
        self.nothing_left(daemon)
