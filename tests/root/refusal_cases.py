"""What the runner must refuse, published escapes among them, and that nothing is left then."""
import errno
import os
import shutil
import signal
import subprocess
import time

from bundles import mount
from cases import SLIPWAY, Case, Exchanger, until


def open_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.readlines()


class Refusals(Case):
    def test_program_not_found(self):
        self.refused("executable file not found in $PATH", self.bundle.run("no-such-program"))
        self.refused("No such file or directory", self.bundle.run("/no/such/program"))
        self.refused("Permission denied", self.bundle.run("/etc"))
        self.assertEqual(self.bundle.create("no-such-program"), 1)  # not only at start
        self.assertIn("executable file not found in $PATH", self.bundle.output())

    def test_program_of_no_format(self):
        with open(self.bundle.rootfs + "/bin/text", "w", encoding="utf-8") as file:
            file.write("no program\n")
        os.chmod(self.bundle.rootfs + "/bin/text", 0o755)
        self.refused("exec 'text': execve: Exec format error", self.bundle.run("text"))
        self.assertEqual(self.bundle.create("text"), 0)
        done = self.bundle.call("start", self.bundle.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("exec 'text': execve: Exec format error", done.stderr)
        self.assertEqual(self.bundle.state_of()["status"], "stopped")

    def test_working_directory_outside(self):
        host = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, host)
        os.set_inheritable(host, True)
        for number in range(3, 21):
            self.config["process"]["cwd"] = f"/proc/self/fd/{number}"
            done = self.bundle.shell("ls ..", pass_fds=(host,))
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(f"'/proc/self/fd/{number}'", done.stderr)

    def test_symlinked_mount_target_stays_inside(self):
        outside = self.bundle.path + "/outside"
        os.makedirs(outside)
        os.symlink(outside, self.bundle.rootfs + "/link")
        os.symlink("../" * 20 + outside[1:] + "/made", self.bundle.rootfs + "/work/up")
        self.config["mounts"] += [mount("/link/below", "tmpfs", "tmpfs"), mount("/work/up/deep", "tmpfs", "tmpfs")]
        done = self.bundle.shell("true")
        self.assertEqual(os.listdir(outside), [], done.stderr)
        self.refused("mount target", done)
        os.makedirs(self.bundle.rootfs + outside)
        os.makedirs(self.bundle.rootfs + outside + "/made")
        self.assertIn(outside + "/below ", self.shell("cat /proc/self/mountinfo"))
        self.assertEqual(os.listdir(outside), [])

    def test_symlinked_proc_and_sys(self):
        for name in ("proc", "sys"):
            os.rmdir(f"{self.bundle.rootfs}/{name}")
            os.symlink("/work", f"{self.bundle.rootfs}/{name}")
            self.refused(f"'/{name}'", self.bundle.run("true"))
            os.unlink(f"{self.bundle.rootfs}/{name}")
            os.makedirs(f"{self.bundle.rootfs}/{name}")

    def test_volume_over_a_part_of_proc(self):
        for destination in ("/proc", "/proc/self/attr", "/proc/sys/kernel"):
            self.config["mounts"].append(mount(destination, "bind", self.bundle.path, "rbind"))
            self.refused("mounts[7]", self.bundle.run("true"))
            self.config["mounts"].pop()

    def test_symlinked_dev_without_a_mount(self):
        outside = self.bundle.path + "/outside"
        os.makedirs(outside)
        os.rmdir(self.bundle.rootfs + "/dev")
        self.config["mounts"] = [m for m in self.config["mounts"] if not m["destination"].startswith("/dev")]
        for target in (outside, "../outside"):
            os.symlink(target, self.bundle.rootfs + "/dev")
            self.refused("'/dev' in the root must be a directory", self.bundle.run("true"))
            self.assertEqual(os.listdir(outside), [])
            os.unlink(self.bundle.rootfs + "/dev")

    def test_our_binary_cannot_be_overwritten(self):
        self.bundle.slipway = shutil.copy(SLIPWAY, self.bundle.path + "/slipway")  # nobody else runs this one: ETXTBSY would hide the answer
        self.assertEqual(self.bundle.create("true"), 0)
        pid = self.bundle.state_of()["pid"]
        held = os.open(f"/proc/{pid}/exe", os.O_PATH)
        self.addCleanup(os.close, held)
        self.assertEqual(os.stat(f"/proc/self/fd/{held}").st_ino, os.stat(self.bundle.slipway).st_ino)  # init is still our program
        os.kill(pid, signal.SIGKILL)
        until("gone", lambda: not os.path.exists(f"/proc/{pid}/exe"))
        with self.assertRaises(OSError) as refused:  # no ETXTBSY protects it any more
            os.close(os.open(f"/proc/self/fd/{held}", os.O_WRONLY))
        self.assertEqual(refused.exception.errno, errno.EROFS)

    def test_program_that_is_our_binary(self):
        with open(self.bundle.rootfs + "/bin/self", "w", encoding="utf-8") as file:
            file.write("#!/proc/self/exe\n")
        os.chmod(self.bundle.rootfs + "/bin/self", 0o755)
        done = self.bundle.run("self")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is no verb of slipway", done.stderr)  # it ran, from the read-only mount, as what it is

    def test_host_null_must_be_the_null_device(self):
        with open(self.bundle.path + "/secret", "w", encoding="utf-8") as file:
            file.write("secret\n")
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        script = 'mount --bind "$1" /dev/null && shift && exec "$@"'
        words = [SLIPWAY, "--root", self.bundle.state, "run", "-b", self.bundle.path, self.bundle.name]
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", self.bundle.path + "/secret", *words],
                              capture_output=True, text=True, check=False, timeout=60)
        self.refused("/dev/null is not the null device", done)

    def test_long_strings_are_refused_cleanly(self):
        self.config["mounts"].append(mount("/" + "a" * 70000, "tmpfs", "tmpfs"))
        self.refused("File name too long", self.bundle.run("true"))

    def test_racing_mount_target(self):
        """CVE-2021-30465: a volume's folder and a link to the host change places while mounts beneath it are made."""
        outside = self.bundle.path + "/outside"
        os.makedirs(outside)
        os.makedirs(self.bundle.rootfs + "/volume/a")
        os.symlink("../" * 20 + outside[1:], self.bundle.rootfs + "/volume/b")
        self.config["mounts"] += [mount("/volume/a/made/here", "tmpfs", "tmpfs"), mount("/volume/a/file", "bind", "/etc/hostname", "bind")]
        before, said = len(open_mounts()), []
        with Exchanger(self.bundle.rootfs + "/volume/a", self.bundle.rootfs + "/volume/b"):
            # As long as it takes: how often the two meet is the scheduler's matter. The link is dangling inside the root.
            end = time.monotonic() + 60
            while len(said) < 150 or (len(set(said)) == 1 and time.monotonic() < end):
                done = self.bundle.run("true")
                self.assertEqual(os.listdir(outside), [], done.stderr)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                said.append(done.returncode)
        self.assertEqual(set(said), {0, 1}, f"nothing raced in {len(said)} runs")
        self.assertEqual(len(open_mounts()), before)

    def test_same_id_twice(self):
        self.assertEqual(self.bundle.create("sleep", "100"), 0)
        done = self.bundle.run("true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("exists already", done.stderr)
        self.assertEqual(self.bundle.state_of()["status"], "created")
        self.assertEqual(self.bundle.call("state", "../x").returncode, 1)
