#!/usr/bin/env python3
"""Containers that criu dumps and restores: checkpoint_test.py SLIPWAY [CASE…], as root, where `criu check` is content."""
import json
import os
import shutil
import socket
import subprocess
import sys
import unittest

if __name__ == "__main__":
    os.environ["SLIPWAY"] = os.path.realpath(sys.argv.pop(1))
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)) + "/../root")

from bundles import Bundle, mount  # noqa: E402
from cases import SLIPWAY, Case, until  # noqa: E402

# Counts in a shell variable, through a pipe between two processes, into a file of a tmpfs and, by a descriptor with an offset, of the bind.
COUNTER = """
echo of-the-tmpfs > /tmp/kept
exec 7< /data/lines
read -r first <&7
(i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done) | while read -r n; do echo $n > /tmp/n.new; mv /tmp/n.new /tmp/n; done &
exec 5>> /data/out
while :; do
  read -r n < /tmp/n 2> /dev/null && echo "count $n" >&5
  if [ -e /data/ask ]; then read -r next <&7; echo "$first $next $(cat /tmp/kept)" > /data/answer; rm /data/ask; fi
  sleep 0.05
done
"""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def host_mounts():
    return sorted(line.split(" ", 2)[2] for line in read("/proc/self/mountinfo").splitlines())


class Criu(Case):
    def setUp(self):
        super().setUp()
        self.images = self.bundle.path + "/images"
        self.work = self.bundle.path + "/criu-work"
        self.data = self.bundle.path + "/data"
        os.mkdir(self.data)
        write(self.data + "/lines", "".join(f"line{n}\n" for n in range(1, 50)))
        self.config["mounts"] += [mount("/data", "bind", self.data, "rbind", "rprivate"), mount("/tmp", "tmpfs", "tmpfs", "nosuid")]
        for folder in ("data", "tmp"):
            os.makedirs(f"{self.bundle.rootfs}/{folder}", exist_ok=True)
        self.mounts_before = host_mounts()
        self.log = self.bundle.path + "/log"

    def tearDown(self):
        self.assertEqual(host_mounts(), self.mounts_before, "the host's mounts have changed")

    def detached(self, verb, *flags, bundle=None, name=None, log=None, **options):
        """Its descriptors become the container's: files, not pipes that would stay open."""
        bundle = bundle or self.bundle
        bundle.save()
        with open(log or self.log, "a", encoding="utf-8") as output:
            options.setdefault("stdout", output)
            options.setdefault("stdin", subprocess.DEVNULL)
            return subprocess.run([SLIPWAY, "--root", self.bundle.state, verb, "--detach", "--bundle", bundle.path, *flags, name or bundle.name],
                                  stderr=options["stdout"], timeout=60, check=False, **options).returncode

    def start(self, script, *flags, **options):
        self.config["process"]["args"] = ["sh", "-c", script]
        self.assertEqual(self.detached("run", *flags, **options), 0, read(self.log))

    def checkpoint(self, *flags, images=None):
        done = self.bundle.call("checkpoint", "--image-path", images or self.images, "--work-path", self.work, *flags, self.bundle.name)
        self.assertEqual(done.returncode, 0, done.stderr)

    def restore(self, *flags, images=None, **options):
        code = self.detached("restore", "--image-path", images or self.images, "--work-path", self.work, *flags, **options)
        self.assertEqual(code, 0, read(options.get("log") or self.log))

    def count(self, data=None):
        path = (data or self.data) + "/out"
        lines = read(path).splitlines() if os.path.exists(path) else []
        return int(lines[-1].split()[1]) if lines else 0

    def counts_beyond(self, number, data=None):
        until(f"more than {number}", lambda: self.count(data) > number)

    def inside(self, script, name=None):
        done = self.bundle.call("exec", name or self.bundle.name, "sh", "-c", script)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def status(self, name=None):
        done = self.bundle.call("state", name or self.bundle.name)
        return json.loads(done.stdout)["status"] if done.returncode == 0 else None


class GoesOn(Criu):
    def ask(self, data=None):
        data = data or self.data
        write(data + "/ask", "")
        until("the answer", lambda: os.path.exists(data + "/answer") and not os.path.exists(data + "/ask"))
        return read(data + "/answer")

    def test_under_its_own_name(self):
        self.config["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 40}}
        self.start(COUNTER, "--pid-file", self.bundle.path + "/pid")
        self.counts_beyond(5)
        before = self.inside("cat /proc/1/status | grep -E '^(Cap|NoNewPrivs|Seccomp:)'; cat /proc/mounts; hostname; readlink /proc/1/exe")
        self.checkpoint("--leave-running")
        self.assertEqual(self.status(), "running")
        self.counts_beyond(self.count())
        shutil.rmtree(self.images)
        self.checkpoint()
        self.assertEqual(self.status(), "stopped")
        stopped_at = self.count()
        self.assertIn("not running", self.bundle.call("kill", self.bundle.name).stderr)
        pid_file = self.bundle.path + "/pid2"
        self.restore("--pid-file", pid_file)
        self.assertEqual(self.status(), "running")
        self.assertEqual(int(read(pid_file)), self.bundle.state_of()["pid"])
        self.counts_beyond(stopped_at + 5)
        self.assertLess(self.count(), stopped_at + 10_000)
        self.assertEqual(self.ask(), "line1 line2 of-the-tmpfs\n")
        after = self.inside("cat /proc/1/status | grep -E '^(Cap|NoNewPrivs|Seccomp:)'; cat /proc/mounts; hostname; readlink /proc/1/exe")
        self.assertEqual(sorted(before.splitlines()), sorted(after.splitlines()))
        self.assertEqual(self.inside("wc -c < /proc/keys; ls /sys/firmware | wc -l; cat /proc/1/cgroup").split(), ["0", "0", "0::/"])
        self.assertIn("Read-only", self.bundle.call("exec", self.bundle.name, "sh", "-c", "echo x > /proc/sys/kernel/domainname").stderr)
        self.assertEqual(read(self.bundle.cgroup() + "/memory.max"), f"{64 << 20}\n")
        self.assertEqual(read(self.bundle.cgroup() + "/pids.max"), "40\n")
        self.assertIn(str(self.bundle.state_of()["pid"]), read(self.bundle.cgroup() + "/cgroup.procs").split())
        for verb, status in (("pause", "paused"), ("resume", "running")):
            self.assertEqual(self.bundle.call(verb, self.bundle.name).returncode, 0)
            self.assertEqual(self.status(), status)
        self.assertEqual(self.bundle.call("kill", self.bundle.name, "KILL").returncode, 0)
        until("stopped", lambda: self.status() == "stopped")
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        self.assertEqual(os.listdir(self.bundle.state), [])

    def test_under_another_name_from_another_bundle(self):
        self.config["mounts"][-2]["options"] = ["rbind", "rslave"]
        self.start(COUNTER)
        self.counts_beyond(5)
        self.checkpoint("--leave-running")
        other = Bundle(SLIPWAY, "another")
        self.addCleanup(other.remove)
        other.config = json.loads(json.dumps(self.config))
        other.config["linux"]["cgroupsPath"] = other.cgroup_path
        # The mount points are not there: the root is as an image has it. The bind has another source.
        self.assertFalse(os.path.exists(other.rootfs + "/data"))
        copy = other.path + "/elsewhere"
        shutil.copytree(self.data, copy)
        other.config["mounts"][-2]["source"] = copy
        self.restore(bundle=other, name="another", log=other.path + "/log")
        at = self.count(copy)
        self.counts_beyond(at, copy)
        self.assertEqual(self.ask(copy), "line1 line2 of-the-tmpfs\n")
        self.counts_beyond(self.count())  # the first one still counts
        state = json.loads(self.bundle.call("state", "another").stdout)
        self.assertEqual((state["status"], state["bundle"]), ("running", other.path))
        self.assertIn(str(state["pid"]), read(other.cgroup() + "/cgroup.procs").split())
        self.assertEqual(self.inside("cat /proc/1/cgroup", "another"), "0::/\n")
        # And once more, of what was restored.
        images = other.path + "/images"
        done = self.bundle.call("checkpoint", "--image-path", images, "another")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.restore(images=images, bundle=other, name="another", log=other.path + "/log")
        self.counts_beyond(self.count(copy), copy)
        self.assertEqual(self.bundle.call("delete", "--force", "another").returncode, 0)

    def test_a_foreground_run_ends_and_a_foreground_restore_takes_its_place(self):
        self.config["process"]["args"] = ["sh", "-c", "trap 'exit 7' USR1; echo begun; while :; do sleep 0.05; done"]
        self.bundle.save()
        command = [SLIPWAY, "--root", self.bundle.state]
        with subprocess.Popen(command + ["run", "--bundle", self.bundle.path, self.bundle.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as run:
            self.assertEqual(run.stdout.readline(), b"begun\n")
            self.checkpoint()
            run.wait(20)
        until("removed", lambda: os.listdir(self.bundle.state) == [])
        with subprocess.Popen(command + ["restore", "--image-path", self.images, "--bundle", self.bundle.path, self.bundle.name],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as again:
            until("running", lambda: self.status() == "running" or again.poll() is not None)
            self.assertIsNone(again.poll(), again.poll() is not None and again.stdout.read())
            self.assertEqual(self.bundle.call("kill", self.bundle.name, "USR1").returncode, 0)
            self.assertEqual(again.wait(20), 7, again.stdout.read())
        self.assertEqual(os.listdir(self.bundle.state), [])
        self.assertFalse(os.path.exists(self.bundle.cgroup()))

    def test_paused(self):
        self.start(COUNTER)
        self.counts_beyond(3)
        self.assertEqual(self.bundle.call("pause", self.bundle.name).returncode, 0)
        at = self.count()
        self.checkpoint("--leave-running")
        self.assertEqual(self.status(), "paused")
        self.assertEqual(self.count(), at)
        self.assertEqual(self.bundle.call("resume", self.bundle.name).returncode, 0)
        self.counts_beyond(at)

    def test_pre_dump(self):
        self.start(COUNTER)
        self.counts_beyond(3)
        before = self.bundle.path + "/before"
        self.checkpoint("--pre-dump", images=before)
        self.assertEqual(self.status(), "running")
        self.assertFalse(os.path.exists(before + "/descriptors.json"))
        self.checkpoint("--parent-path", "../before")
        self.assertEqual(os.readlink(self.images + "/parent"), "../before")
        at = self.count()
        self.restore()
        self.counts_beyond(at)


class Descriptors(Criu):
    def test_pipes(self):
        to_it, of_it = os.pipe(), os.pipe()
        self.start("while read -r line; do echo got $line; done", stdin=to_it[0], stdout=of_it[1])
        os.close(to_it[0]), os.close(of_it[1])
        os.write(to_it[1], b"one\n")
        self.assertEqual(os.read(of_it[0], 100), b"got one\n")
        self.checkpoint()
        self.assertTrue(all(text.startswith("pipe:[") for text in json.loads(read(self.images + "/descriptors.json"))))
        again_to, again_of = os.pipe(), os.pipe()
        self.restore(stdin=again_to[0], stdout=again_of[1])
        os.close(again_to[0]), os.close(again_of[1])
        os.write(again_to[1], b"two\n")
        self.assertEqual(os.read(again_of[0], 100), b"got two\n")
        os.close(again_to[1])
        until("its end", lambda: self.status() == "stopped")
        for fd in (to_it[1], of_it[0], again_of[0]):
            os.close(fd)

    def test_files(self):
        self.start("echo begun; while ! [ -e /data/go ]; do sleep 0.05; done; rm /data/go; echo more; read x || echo end of input; sleep 1000")
        until("begun", lambda: "begun" in read(self.log))
        self.checkpoint()
        again = self.bundle.path + "/log2"
        write(again, "before\n")
        self.restore(log=again)
        write(self.data + "/go", "")
        until("more", lambda: "end of input" in read(again))
        self.assertEqual(read(again), "before\nmore\nend of input\n")
        self.assertEqual(read(self.log), "begun\n")

    def receive(self, listener):
        connection, _ = listener.accept()
        with connection:
            _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
        return descriptors[0]

    def answer(self, master, part):
        out = b""
        while part not in out:
            piece = os.read(master, 4096)
            self.assertTrue(piece, out)
            out += piece
        return out

    def test_terminal(self):
        self.config["process"]["terminal"] = True
        self.config["process"]["consoleSize"] = {"height": 33, "width": 77}
        path = self.bundle.path + "/console.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen()
            self.start("while read -r line; do echo got $line $(tty) $(stty size); done", "--console-socket", path)
            master = self.receive(listener)
            os.write(master, b"one\n")
            self.answer(master, b"got one /dev/pts/0 33 77")
            self.assertEqual(self.detached("restore", "--image-path", self.images), 1)
            self.checkpoint()
            os.close(master)
            self.restore("--console-socket", path)
            master = self.receive(listener)
            os.write(master, b"two\n")
            self.answer(master, b"got two /dev/pts/0")
            self.assertEqual(self.inside("stat -c %t:%T /dev/console; tty < /dev/console").split(), ["88:0", "/dev/console"])
            os.close(master)


class Mounts(Criu):
    def test_binds_of_every_kind(self):
        made = [self.bundle.path + "/file", self.data + "/sub"]
        write(made[0], "of the file\n")
        os.mkdir(made[1])
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", made[1]], check=True)
        self.addCleanup(subprocess.run, ["umount", made[1]], check=True)
        self.mounts_before = host_mounts()
        write(made[1] + "/beneath", "of the submount\n")
        os.mkdir(self.data + "/nested")
        os.symlink("/etc", self.bundle.rootfs + "/link")
        self.config["mounts"] += [mount("/link/file", "bind", made[0], "bind", "ro"), mount("/data/nested/in", "bind", self.data, "bind", "nosuid"),
                                  mount("/data/tmpfs", "tmpfs", "tmpfs", "size=64k"), mount("/tmp/deep/er", "bind", self.data, "bind")]
        write(self.data + "/secret", "secret\n")
        self.config["linux"]["maskedPaths"] += ["/data/secret"]
        look = ("cat /etc/file /data/sub/beneath; head -n 1 /data/nested/in/lines /tmp/deep/er/lines; cat /data/tmpfs/own; cat /data/secret; "
                "sort /proc/mounts")
        self.start("echo its own > /data/tmpfs/own; exec 3< /link/file; while :; do sleep 0.1; done")
        until("its file", lambda: "its own" in self.inside("cat /data/tmpfs/own 2> /dev/null || true"))
        before = self.inside(look)
        self.assertIn("of the file\nof the submount\n", before)
        self.assertNotIn("secret\n", before.replace("/data/secret", ""))
        self.checkpoint()
        self.restore()
        self.assertEqual(self.inside(look), before)
        self.assertIn("Read-only", self.bundle.call("exec", self.bundle.name, "sh", "-c", "echo x > /etc/file").stderr)

    def test_cgroups_of_the_host(self):
        """Without a cgroup namespace the mount is a bind of the host's tree, whose options stay what they were."""
        self.config["linux"]["namespaces"] = [ns for ns in self.config["linux"]["namespaces"] if ns["type"] != "cgroup"]
        self.start("while :; do sleep 0.1; done")
        before = self.inside("cat /proc/1/cgroup; ls /sys/fs/cgroup")
        self.checkpoint()
        self.restore()
        self.assertEqual(self.inside("cat /proc/1/cgroup; ls /sys/fs/cgroup"), before)
        self.assertIn("/slipway-test/", before)

    def test_readonly_root_without_dev(self):
        self.config["root"]["readonly"] = True
        self.config["mounts"] = [m for m in self.config["mounts"] if not m["destination"].startswith("/dev")]
        os.makedirs(self.bundle.rootfs + "/dev", exist_ok=True)
        self.start("exec 3< /dev/zero; while :; do sleep 0.1; done")
        self.checkpoint()
        self.restore()
        self.assertIn("Read-only", self.bundle.call("exec", self.bundle.name, "sh", "-c", "echo x > /etc/x").stderr)
        self.assertEqual(self.inside("head -c 3 /dev/zero | wc -c"), "3\n")

    def test_readonly_root_without_tmp(self):
        """criu looks for a directory to work in while it changes the root."""
        self.config["root"]["readonly"] = True
        self.config["mounts"] = [m for m in self.config["mounts"] if m["destination"] not in ("/data", "/tmp")]
        for folder in ("data", "tmp"):
            os.rmdir(f"{self.bundle.rootfs}/{folder}")
        self.start("while :; do sleep 0.1; done")
        self.checkpoint()
        self.restore()
        self.assertIn("Read-only", self.bundle.call("exec", self.bundle.name, "sh", "-c", "echo x > /etc/x").stderr)
        self.assertEqual(self.inside("mount | grep -c ' /tmp ' || true"), "0\n")


class Namespaces(Criu):
    def keep(self, kind, flag):
        path = f"{self.bundle.path}/{kind}"
        write(path, "")
        subprocess.run(["unshare", f"--{flag}={path}", "true"], check=True)
        self.addCleanup(subprocess.run, ["umount", path], check=True)
        self.mounts_before = host_mounts()
        return path

    def join(self, kind, path):
        for namespace in self.config["linux"]["namespaces"]:
            if namespace["type"] == kind:
                namespace["path"] = path

    def test_joined(self):
        kinds = {"network": "net", "uts": "uts", "ipc": "ipc"}
        paths = {kind: self.keep(kind + "1", flag) for kind, flag in kinds.items()}
        again = {kind: self.keep(kind + "2", flag) for kind, flag in kinds.items()}
        del self.config["hostname"]
        for kind, path in paths.items():
            self.join(kind, path)
        look = "for kind in net uts ipc; do readlink /proc/1/ns/$kind; done"
        self.start("while :; do sleep 0.1; done")
        self.assertEqual(self.inside(look).split(), [f"{flag}:[{os.stat(paths[kind]).st_ino}]" for kind, flag in kinds.items()])
        self.checkpoint()
        for kind, path in again.items():
            self.join(kind, path)
        self.restore()
        self.assertEqual(self.inside(look).split(), [f"{flag}:[{os.stat(again[kind]).st_ino}]" for kind, flag in kinds.items()])

    def test_the_host_s(self):
        self.config["linux"]["namespaces"] = [{"type": kind} for kind in ("pid", "mount", "cgroup")]
        self.config["linux"]["readonlyPaths"] = []
        del self.config["hostname"]
        self.start("while :; do sleep 0.1; done")
        self.checkpoint()
        self.restore()
        host = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "uts", "ipc")]
        self.assertEqual(self.inside("for kind in net uts ipc; do readlink /proc/1/ns/$kind; done").split(), host)

    def test_own_network(self):
        """Its loopback and a listener on it, with the filter that holds packets off taken away again."""
        self.start("while :; do sleep 0.1; done")
        pid = str(self.bundle.state_of()["pid"])
        subprocess.run(["nsenter", "-t", pid, "-n", "ip", "link", "set", "lo", "up"], check=True)
        self.checkpoint()
        self.restore()
        pid = str(self.bundle.state_of()["pid"])
        shown = subprocess.run(["nsenter", "-t", pid, "-n", "sh", "-c", "ip -o addr show lo; iptables -S"], check=True, capture_output=True, text=True)
        self.assertIn("127.0.0.1/8", shown.stdout)
        self.assertNotIn("CRIU", shown.stdout)

    def test_hooks_make_the_network_again(self):
        log = self.bundle.path + "/hooks"
        script = (f'kind=$0; state=$(cat); pid=$(echo "$state" | gojq .pid); echo "$kind $(echo "$state" | gojq -r .status)" >> {log}; '
                  '[ "$kind" != createRuntime ] || nsenter -t "$pid" -n ip link add dummy7 type dummy')
        kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
        self.config["hooks"] = {kind: [{"path": "/bin/sh", "args": [kind, "-c", script, kind], "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]
                                for kind in kinds}
        self.start("while :; do sleep 0.1; done")
        self.checkpoint()
        write(log, "")
        self.restore()
        self.assertEqual(read(log).splitlines(), ["poststop stopped", "prestart created", "createRuntime creating"])
        self.assertIn("dummy7", self.inside("cat /proc/net/dev"))
        self.assertEqual(self.bundle.call("delete", "--force", self.bundle.name).returncode, 0)
        self.assertEqual(read(log).splitlines()[3:], ["poststop stopped"])


class Failures(Criu):
    def nothing_is_left(self):
        self.assertEqual(os.listdir(self.bundle.state), [])
        self.assertFalse(os.path.exists(self.bundle.cgroup()))

    def refused_restore(self, *parts, flags=()):
        log = self.bundle.path + "/refused"
        self.assertEqual(self.detached("restore", "--image-path", self.images, "--work-path", self.work, *flags, log=log), 1)
        for part in parts:
            self.assertIn(part, read(log))
        os.unlink(log)
        self.nothing_is_left()

    def test_of_restore(self):
        self.start(COUNTER)
        self.counts_beyond(3)
        self.checkpoint()
        at = self.count()
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        # A pid file that cannot be written: by then all processes are there.
        self.refused_restore("--pid-file", "No such file", "post-restore", flags=["--pid-file", "/no/such/folder/pid"])
        # The source of a bind is gone.
        os.rename(self.data, self.data + "-away")
        self.refused_restore(f"'{self.data}'", "mount at '/data'")
        os.rename(self.data + "-away", self.data)
        # config.json is another container's.
        kept = self.config["mounts"].pop(-2)
        self.refused_restore("config.json has no bind at '/data'")
        self.config["mounts"].insert(-1, kept)
        # Images that are none, are missing, are half there.
        os.rename(self.images + "/pstree.img", self.images + "/pstree.away")
        write(self.images + "/pstree.img", "x" * os.stat(self.images + "/pstree.away").st_size)
        self.refused_restore("criu failed", self.work + "/restore.log", "Error (criu/", "pstree.img")
        os.rename(self.images + "/pstree.away", self.images + "/pstree.img")
        os.truncate(self.images + "/pages-1.img", 4096)
        self.refused_restore("image 'pages-1.img' has 4096 bytes, not ")
        write(self.images + "/slipway.json", '{"version":1,"mounts":[{"name":"/data","source":"bind","of":"/../..","beneath":""}]}')
        self.refused_restore("config.json has no bind at '/../..'")
        os.unlink(self.images + "/descriptors.json")
        self.refused_restore("descriptors.json is missing")
        shutil.rmtree(self.images)
        self.refused_restore("--image-path", "No such file")
        self.assertEqual(self.count(), at)

    def test_of_checkpoint(self):
        """A file of the host that is none of the standard descriptors: criu refuses, and all goes on as before."""
        secret = self.bundle.path + "/of-the-host"
        write(secret, "")
        descriptor = os.open(secret, os.O_RDONLY)
        if descriptor != 3:
            os.dup2(descriptor, 3)
            os.close(descriptor)
        self.start(COUNTER, "--preserve-fds", "1", pass_fds=[3])
        os.close(3)
        self.counts_beyond(3)
        done = self.bundle.call("checkpoint", "--image-path", self.images, self.bundle.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"(its log: {self.images}/dump.log): Error (criu/", done.stderr)
        self.assertIn("of-the-host", done.stderr)
        self.assertFalse(os.path.exists(self.images + "/descriptors.json"))
        self.assertEqual(self.status(), "running")
        self.counts_beyond(self.count())
        self.assertEqual(sorted(os.listdir(f"{self.bundle.state}/{self.bundle.name}")), ["config.json", "state.json"])

    def test_taken_names(self):
        self.start(COUNTER)
        self.counts_beyond(1)
        self.checkpoint("--leave-running")
        log = self.bundle.path + "/refused"
        self.assertEqual(self.detached("restore", "--image-path", self.images, log=log), 1)
        self.assertIn("exists already", read(log))
        self.counts_beyond(self.count())


if __name__ == "__main__":
    unittest.main(verbosity=2)
