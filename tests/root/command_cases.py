"""The command line as callers of runc and crun write it: flags, what they hand over, what is printed."""
import os
import socket
import subprocess

from cases import SLIPWAY, Case


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
        self.assertIn("flag '--user' needs a value", self.bundle.call("exec", "-du").stderr)
