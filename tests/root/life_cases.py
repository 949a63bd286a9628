"""A container's life by the verbs of runc: create, start, exec, kill, delete, consoles."""
import fcntl
import json
import os
import pty
import resource
import shutil
import signal
import socket
import subprocess

from cases import SLIPWAY, Case, until


class Life(Case):
    def test_create_start_kill_delete(self):
        pid_file = self.bundle.path + "/pid"
        code = self.bundle.create("sh", "-c", "trap 'echo got it; exit 7' USR1; echo begun; while :; do sleep 0.05; done", flags=["--pid-file", pid_file])
        self.assertEqual(code, 0, self.bundle.output())
        state = self.bundle.state_of()
        self.assertEqual((state["status"], state["ociVersion"], state["id"], state["bundle"]),
                         ("created", "1.2.0", self.bundle.name, self.bundle.path))
        with open(pid_file, encoding="utf-8") as file:
            self.assertEqual(int(file.read()), state["pid"])
        descriptors = {os.readlink(f"/proc/{state['pid']}/fd/{fd}") for fd in os.listdir(f"/proc/{state['pid']}/fd")}
        self.assertEqual(len([d for d in descriptors if not d.startswith(("socket:", "/dev/null"))]), 2, descriptors)  # output and FIFO
        self.assertEqual(self.bundle.output(), "")
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.state_of()["status"], "running")
        self.assertIn("running already", self.bundle.call("start", self.bundle.name).stderr)
        self.assertIn("must be stopped", self.bundle.call("delete", self.bundle.name).stderr)
        until("begun", lambda: "begun" in self.bundle.output())
        self.assertEqual(self.bundle.call("kill", self.bundle.name, "USR1").returncode, 0)
        until("stopped", lambda: self.bundle.state_of()["status"] == "stopped")
        self.assertIn("got it", self.bundle.output())
        self.assertIn("not running", self.bundle.call("kill", self.bundle.name, "TERM").stderr)
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        self.assertIsNone(self.bundle.state_of())
        self.assertFalse(os.path.exists(self.bundle.cgroup()))

    def test_who_waits_tells_nothing_of_who_made_it(self):
        code = self.bundle.create("sh", "-c", "env", env=os.environ | {"SECRET_OF_THE_CALLER": "s3cret"})
        self.assertEqual(code, 0, self.bundle.output())
        with open(f"/proc/{self.bundle.state_of()['pid']}/environ", "rb") as file:
            self.assertEqual(file.read().strip(b"\0"), b"")
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        until("its own environment", lambda: "PATH=" in self.bundle.output())
        self.assertNotIn("s3cret", self.bundle.output())

    def test_a_bundle_is_told_without_idle_parts(self):
        self.bundle.config["process"]["args"] = ["true"]
        self.bundle.save()
        folder, name = os.path.split(self.bundle.path)
        code = self.bundle.call("create", "--bundle", f"./{name}//.", self.bundle.name, cwd=folder, capture_output=False, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        self.assertEqual((code, self.bundle.state_of()["bundle"]), (0, self.bundle.path))

    def test_list_ps_pause_resume(self):
        self.config["process"]["args"] = ["sleep", "1000"]
        self.bundle.save()
        with open(os.devnull, "w", encoding="utf-8") as null:
            done = subprocess.run([SLIPWAY, "--root", self.bundle.state, "run", "-d", "-b", self.bundle.path, self.bundle.name],
                                  stdout=null, stderr=null, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.bundle.call("list", "-q").stdout, self.bundle.name + "\n")
        listed = json.loads(self.bundle.call("list", "--format", "json").stdout)
        self.assertEqual([(c["id"], c["status"]) for c in listed], [(self.bundle.name, "running")])
        pids = json.loads(self.bundle.call("ps", "-f", "json", self.bundle.name).stdout)
        self.assertEqual(pids, [listed[0]["pid"]])
        self.assertEqual(self.bundle.call("pause", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.state_of()["status"], "paused")
        self.assertEqual(self.bundle.call("resume", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.state_of()["status"], "running")
        self.assertEqual(self.bundle.call("kill", "--all", self.bundle.name, "KILL").returncode, 0)
        until("stopped", lambda: self.bundle.state_of()["status"] == "stopped")

    def test_paused_before_start(self):
        """What is frozen answers nobody: it is paused, whatever it was, and start and exec say so instead of waiting."""
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("pause", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.state_of()["status"], "paused")
        for words in (("start", self.bundle.name), ("exec", self.bundle.name, "true"), ("checkpoint", self.bundle.name)):
            done = self.bundle.call(*words)
            self.assertEqual((done.returncode != 0, "is paused" in done.stderr), (True, True), done.stderr)
        self.assertEqual(self.bundle.call("resume", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.state_of()["status"], "created")
        self.assertEqual(self.bundle.call("pause", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.call("resume", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.state_of()["status"], "running")
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("pause", self.bundle.name).returncode, 0)
        # Killed while it is frozen: it has stopped, whatever its cgroup says.
        self.assertEqual(self.bundle.call("kill", self.bundle.name, "KILL").returncode, 0)
        until("stopped", lambda: self.bundle.state_of()["status"] == "stopped")
        self.assertIn("is stopped", self.bundle.call("start", self.bundle.name).stderr)
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        self.assertIsNone(self.bundle.state_of())

    def test_its_owner(self):
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        for uid, name in ((1, "daemon"), (1999999999, "#1999999999"), (0, "root")):
            os.chown(f"{self.bundle.state}/{self.bundle.name}", uid, -1)
            self.assertEqual(self.bundle.state_of()["owner"], name)
            self.assertEqual(self.bundle.call("list").stdout.split()[-1], name)
            self.assertEqual(json.loads(self.bundle.call("list", "--format", "json").stdout)[0]["owner"], name)

    def test_half_made_is_deleted(self):
        os.makedirs(f"{self.bundle.state}/{self.bundle.name}")
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        self.assertEqual(os.listdir(self.bundle.state), [])
        self.assertIn("does not exist", self.bundle.call("delete", self.bundle.name).stderr)
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)

    def test_start_without_a_process(self):
        del self.config["process"]
        self.bundle.save()
        quiet = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.assertEqual(self.bundle.call("create", "-b", self.bundle.path, self.bundle.name, **quiet).returncode, 0)
        done = self.bundle.call("start", self.bundle.name)
        self.assertEqual((done.returncode, done.stderr),
                         (1, f"slipway: process: config.json of container '{self.bundle.name}' has none, there is nothing to start\n"))

    def test_half_made_leaves_the_cgroup_that_was_there(self):
        self.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]}]}
        for was_there in (True, False):
            if was_there:
                os.makedirs(self.bundle.cgroup())
            self.assertEqual(self.bundle.create("true"), -9, self.bundle.output())
            self.assertIsNone(self.bundle.state_of())
            self.assertTrue(os.path.isdir(self.bundle.cgroup()))
            self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
            self.assertEqual((os.path.isdir(self.bundle.cgroup()), os.listdir(self.bundle.state)), (was_there, []))
            if was_there:
                os.rmdir(self.bundle.cgroup())

    def test_a_delete_that_waited_leaves_the_next_one_alone(self):
        """It has the directory open, and waits for the lock; then another container has the name."""
        del self.config["linux"]["cgroupsPath"]  # by the name as well
        mine = f"{self.bundle.state}/{self.bundle.name}"
        for flags, status in (["--force"], 0), ([], 1):
            os.makedirs(mine)
            lock = os.open(mine, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            late = subprocess.Popen([SLIPWAY, "--root", self.bundle.state, "delete", *flags, self.bundle.name], stderr=subprocess.DEVNULL)

            def waits(late=late):
                with open(f"/proc/{late.pid}/syscall", encoding="utf-8") as file:
                    return file.read().startswith("73 ")  # flock, of x86-64

            until("delete waits for the lock", waits)
            shutil.rmtree(mine)
            self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
            os.close(lock)
            self.assertEqual(late.wait(60), status)
            self.assertEqual((self.bundle.state_of() or {}).get("status"), "created", flags)
            self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)

    def test_without_leaving_the_runners_file(self):
        """The kernel refuses to change the link of a process above its limit on data: the runner is executed again instead (ADR 20)."""

        def limited():
            resource.setrlimit(resource.RLIMIT_DATA, (4 << 20, 4 << 20))

        self.assertEqual(self.bundle.run("echo", "run", preexec_fn=limited).stdout, "run\n")
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        done = self.bundle.call("exec", self.bundle.name, "echo", "exec", preexec_fn=limited)
        self.assertEqual((done.returncode, done.stdout), (0, "exec\n"), done.stderr)

    def test_a_cgroup_that_was_there_stays(self):
        os.makedirs(self.bundle.cgroup())
        self.addCleanup(os.rmdir, self.bundle.cgroup())
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())
        os.mkdir(self.bundle.cgroup() + "/made-later")
        pid = self.bundle.state_of()["pid"]
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        self.assertFalse(os.path.exists(f"/proc/{pid}/exe"))
        self.assertEqual([name for name in os.listdir(self.bundle.cgroup()) if os.path.isdir(f"{self.bundle.cgroup()}/{name}")], [])
        self.assertEqual(self.bundle.run("true").returncode, 0)
        self.assertTrue(os.path.exists(self.bundle.cgroup()))

    def test_created_is_deleted_by_force_only(self):
        self.assertEqual(self.bundle.create("sleep", "1000"), 0)
        pid = self.bundle.state_of()["pid"]
        done = self.bundle.call("delete", self.bundle.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is created: it must be stopped before it is deleted", done.stderr)
        self.assertEqual((self.bundle.state_of()["status"], self.bundle.state_of()["pid"]), ("created", pid))
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        until("gone", lambda: not os.path.exists(f"/proc/{pid}/exe"))

    def test_a_reused_pid_is_not_ours(self):
        self.assertEqual(self.bundle.create("sleep", "1000"), 0)
        path = f"{self.bundle.state}/{self.bundle.name}/state.json"
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        record["pid"] = os.getpid()
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file)
        self.assertEqual(self.bundle.state_of()["status"], "stopped")
        self.assertEqual(self.bundle.call("kill", self.bundle.name, "KILL").returncode, 1)

    def test_errors_in_the_log(self):
        log = self.bundle.path + "/log"
        self.assertEqual(self.bundle.call("--log", log, "--log-format", "json", "state", "nobody").returncode, 1)
        with open(log, encoding="utf-8") as file:
            line = json.loads(file.read())
        self.assertEqual((line["level"], "does not exist" in line["msg"]), ("error", True))

    def test_spec_runs(self):
        os.makedirs(self.bundle.path + "/other/rootfs")
        self.assertEqual(self.bundle.call("spec", "-b", self.bundle.path + "/other").returncode, 0)
        with open(self.bundle.path + "/other/config.json", encoding="utf-8") as file:
            self.config.update(json.load(file))
        self.config["process"]["terminal"] = False
        self.config["linux"]["cgroupsPath"] = self.bundle.cgroup_path
        self.assertEqual(self.shell("hostname"), "slipway\n")

    def test_features_is_json(self):
        features = json.loads(self.bundle.call("features").stdout)
        self.assertIn("rro", features["mountOptions"])
        self.assertEqual(len(features["hooks"]), 6)
        self.assertIn("SCMP_ACT_NOTIFY", features["linux"]["seccomp"]["actions"])
        self.assertEqual(features["potentiallyUnsafeConfigAnnotations"], ["org.systemd.property.", "org.criu.config"])

    def test_update_and_events(self):
        self.assertEqual(self.bundle.create("sleep", "1000"), 0)
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        resources = json.dumps({"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]})  # the controller that every view of this host has
        done = self.bundle.call("update", "-r", "-", self.bundle.name, stdin=None, input=resources)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.bundle.cgroup() + "/hugetlb.2MB.max", encoding="utf-8") as file:
            self.assertEqual(file.read(), "4194304\n")
        event = json.loads(self.bundle.call("events", "--stats", self.bundle.name).stdout)
        self.assertEqual((event["type"], event["id"]), ("stats", self.bundle.name))
        self.assertIn("2MB", event["data"]["hugetlb"])
        with subprocess.Popen([SLIPWAY, "--root", self.bundle.state, "events", "--interval", "10ms", self.bundle.name],
                              stdout=subprocess.PIPE, text=True) as watching:
            lines = [json.loads(watching.stdout.readline()) for _ in range(3)]
            self.bundle.call("kill", self.bundle.name, "KILL")
            watching.communicate(timeout=30)
        self.assertEqual([line["type"] for line in lines], ["stats"] * 3)
        self.assertEqual(watching.returncode, 0)
        for interval, part in (("1.5h1us", "not running"), ("0.0001us", "not running"), ("86400000000000ns", "not running"), ("1\u03bcs", "not running"),
                               ("0s", "'0s' is not more than nothing"), ("25h", "up to 24h"),
                               ("-1s", "'-1s' is not"), ("1e3s", "'1e3s' is not like '5s'"), ("5", "'5' is not like '5s'")):
            self.assertIn(part, self.bundle.call("events", "--interval=" + interval, self.bundle.name).stderr)
        for text in ("12x", "1.5.5g", "-2", "9e9", "8192p", "1ib", "-1.5g", "-0.5g", "-1m", "1.5.5", "nan", ""):
            self.assertIn(f"--memory: '{text}' is not a number of bytes", self.bundle.call("update", "--memory=" + text, self.bundle.name).stderr)
        for text in ("64MiB", "1.5g", "-1", "8191.5P", "9223372036854775807", "0.5kb", "7B"):
            self.assertIn("is stopped", self.bundle.call("update", "--memory=" + text, self.bundle.name).stderr)
        for words, part in ((["--memory", "12x"], "--memory: '12x' is not a number of bytes"), (["--cpu-idle", "x"], "--cpu-idle: 'x'"),
                            (["--pids-limit", "3"], "is stopped: it cannot be updated")):
            self.assertIn(part, self.bundle.call("update", *words, self.bundle.name).stderr)


class Exec(Case):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.bundle.create("sleep", "1000"), 0)
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)

    def exec(self, *words, status=0):
        done = self.bundle.call("exec", *words)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def test_in_the_container(self):
        out = self.exec(self.bundle.name, "sh", "-c", "hostname; grep ^0: /proc/self/cgroup; readlink /proc/1/exe; ls /proc/self/fd | wc -l")
        self.assertEqual(out.split(), ["inside", "0::/", "/bin/sleep", "4"])
        self.exec(self.bundle.name, "sh", "-c", "exit 9", status=9)
        # Of two values of a name the last one counts.
        self.assertEqual(self.exec("-e", "PATH=/none", "-e", "TWICE=1", "-e", "PATH=/bin", "-e", "TWICE=2", self.bundle.name, "env").split(),
                         ["PATH=/bin", "TWICE=2", "HOME=/"])

    def test_user_environment_directory(self):
        name = self.bundle.name
        out = self.exec("--user", "1000:1001", "--env", "A=b", "--cwd", "/tmp", "-g", "77", name, "sh", "-c", "id -u; id -g; echo $A; pwd; id -G")
        self.assertEqual(out.split(), ["1000", "1001", "b", "/tmp", "1001", "77"])
        self.assertEqual(self.exec("-u", "1", name, "id", "-u"), "1\n")
        for bad in ("4294967295", "4294967296", "-1", "root", "1a", "1:"):
            self.assertIn("not a numeric id", self.bundle.call("exec", "-u", bad, name, "true").stderr)

    def test_capabilities_are_never_inheritable(self):
        out = self.exec("--cap", "CAP_NET_RAW", self.bundle.name, "grep", "^Cap", "/proc/self/status")
        status = dict(line.split(":\t") for line in out.splitlines())
        self.assertEqual((status["CapInh"], status["CapEff"]), ("0" * 16, "00000000000024e1"))

    def test_process_file(self):
        path = self.bundle.path + "/process.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"args": ["echo", "from a file"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}, file)
        self.assertEqual(self.exec("--process", path, self.bundle.name), "from a file\n")

    def test_errors(self):
        done = self.bundle.call("exec", self.bundle.name, "no-such-program")
        self.assertEqual(done.returncode, 255)
        self.assertIn("executable file not found in $PATH", done.stderr)
        self.assertEqual(self.bundle.call("exec", "nobody", "true").returncode, 255)
        for number in range(3, 21):
            done = self.bundle.call("exec", "--cwd", f"/proc/self/fd/{number}", self.bundle.name, "ls")
            self.assertEqual(done.returncode, 255, done.stdout)

    def test_terminal(self):
        master, slave = pty.openpty()
        words = [SLIPWAY, "--root", self.bundle.state, "exec", "-t", self.bundle.name, "sh", "-c", "tty; test -t 0 && echo terminal; exit 5"]
        process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        out = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            out += piece
        os.close(master)
        self.assertEqual(process.wait(30), 5, out)
        self.assertIn(b"/dev/pts/0", out)
        self.assertIn(b"terminal", out)


class Console(Case):
    def test_console_socket(self):
        path = self.bundle.path + "/console.sock"
        self.config["process"]["terminal"] = True
        self.config["process"]["consoleSize"] = {"height": 33, "width": 77}
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen()
            code = self.bundle.create("sh", "-c", "tty; stat -c %t:%T /dev/console; stty size; read x; echo read $x", flags=["--console-socket", path])
            self.assertEqual(code, 0, self.bundle.output())
            connection, _ = listener.accept()
            _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
            connection.close()
        master = descriptors[0]
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        os.write(master, b"line\n")
        out = b""
        try:
            while True:
                out += os.read(master, 4096)
        except OSError:
            os.close(master)
        for part in (b"/dev/pts/0", b"88:0", b"33 77", b"read line"):
            self.assertIn(part, out)

    def test_pidfd_socket(self):
        """As runc's: who is told keeps the process, whatever becomes of its number."""
        path = self.bundle.path + "/pidfd.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen()

            def told():
                connection, _ = listener.accept()
                with connection:
                    name, (pidfd,), _, _ = socket.recv_fds(connection, 4096, 1)
                return name, os.fdopen(pidfd)

            self.assertEqual(self.bundle.create("sleep", "1000", flags=["--pidfd-socket", path]), 0, self.bundle.output())
            name, first = told()
            with first:
                with open(f"/proc/self/fdinfo/{first.fileno()}", encoding="utf-8") as file:
                    self.assertIn(f"\nPid:\t{self.bundle.state_of()['pid']}\n", file.read())
                self.assertEqual(name, b"standard")
                self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
                self.assertEqual(self.bundle.call("exec", "--pidfd-socket", path, self.bundle.name, "sh", "-c", "exit 3").returncode, 3)
                name, further = told()
                further.close()
                self.assertEqual(name, b"setns")
                # Nobody heard of it: it is not left at work.
                nobody = self.bundle.call("exec", "-d", "--pidfd-socket", path + "-nobody", self.bundle.name, "sleep", "777")
                self.assertEqual(nobody.returncode, 255, nobody.stderr)
                listed = self.bundle.call("ps", self.bundle.name)
                self.assertIn("sleep 1000", listed.stdout, listed.stderr)
                self.assertNotIn("sleep 777", listed.stdout)
                signal.pidfd_send_signal(first.fileno(), signal.SIGKILL)
                until("stopped", lambda: self.bundle.state_of()["status"] == "stopped")
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.create("true", flags=["--pidfd-socket", path]), 1)
        self.assertIn("--pidfd-socket: connect to", self.bundle.output())
        self.assertIsNone(self.bundle.state_of())

    def test_terminal_needs_a_socket(self):
        self.config["process"]["terminal"] = True
        self.assertEqual(self.bundle.create("true"), 1)
        self.assertIn("--console-socket", self.bundle.output())
