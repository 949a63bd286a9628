"""Containers that leave out what others have: a mount namespace of their own, or a process."""
import os
import subprocess

from cases import Case


def mounted_beneath(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        return [line.split()[4] for line in stream if (line.split()[4] + "/").startswith(path + "/")]


class HostMounts(Case):
    def setUp(self):
        super().setUp()
        self.config["linux"]["namespaces"] = [n for n in self.config["linux"]["namespaces"] if n["type"] != "mount"]
        self.addCleanup(lambda: self.assertEqual(mounted_beneath(self.bundle.path), []))
        self.addCleanup(self.bundle.remove)

    def create(self, *args):
        self.assertEqual(self.bundle.create(*args), 0, self.bundle.output())
        return self.bundle.state_of()["pid"]

    def test_inherits_the_mount_namespace_and_is_taken_away(self):
        before = mounted_beneath("/")
        pid = self.create("sh", "-c", "echo $(pwd) $(ls /work) > /work/seen; sleep 60")
        self.assertEqual(os.readlink(f"/proc/{pid}/ns/mnt"), os.readlink("/proc/self/ns/mnt"))
        self.assertEqual(os.path.realpath(os.readlink(f"/proc/{pid}/root")), self.bundle.rootfs)
        on_host = mounted_beneath(self.bundle.rootfs)
        for target in ("", "/proc", "/dev", "/dev/pts", "/sys", "/proc/keys", "/proc/sys"):
            self.assertIn(self.bundle.rootfs + target, on_host)
        done = self.bundle.call("exec", self.bundle.name, "sh", "-c", "readlink /proc/self/root; ls -d /work /var; cat /proc/1/comm")
        self.assertEqual(done.stdout.split(), ["/", "/work", "slipway"], done.stderr)
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        done = self.bundle.call("delete", "--force", self.bundle.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(mounted_beneath("/"), before)

    def test_run_readonly_and_masks(self):
        self.config["root"]["readonly"] = True
        out = self.shell("echo x > /work/file || echo refused; wc -c < /proc/keys; head -n 1 /proc/sys/kernel/hostname; pwd")
        self.assertEqual(out.split(), ["refused", "0", "inside", "/"])
        self.assertEqual(mounted_beneath(self.bundle.path), [])

    def test_shared_host_mounts_get_no_copies(self):
        """The host's root is shared on every systemd: what is mounted beneath it must not pile up where it has peers."""
        script = ("mount --bind $1 $1; mount --make-shared $1\nunshare -m --propagation unchanged sleep 60 & p=$!\n"
                  "until [ $(readlink /proc/$p/ns/mnt) != $(readlink /proc/$$/ns/mnt) ]; do :; done\n"
                  "$2 --root $3 create -b $1 $4 > $1/output 2>&1 < /dev/null || exit 1\n"
                  "grep -c \" $1/\" /proc/$p/mountinfo; $2 --root $3 delete --force $4; grep -c \" $1/\" /proc/$p/mountinfo /proc/self/mountinfo\n"
                  "kill $p; wait $p; umount $1")
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        done = subprocess.run(["unshare", "-m", "bash", "-c", script, "-", self.bundle.path, self.bundle.slipway, self.bundle.state, self.bundle.name],
                              capture_output=True, text=True, check=False, timeout=60)
        out = done.stdout.split()
        self.assertEqual((out[0], [line.split(":")[1] for line in out[1:]]), ("1", ["0", "0"]), done.stdout + done.stderr)

    def test_a_failed_create_leaves_nothing(self):
        self.assertEqual(self.bundle.create("no-such-program"), 1)
        self.assertIn("not found", self.bundle.output())
        self.assertEqual(mounted_beneath(self.bundle.path), [])

    def test_half_made_is_taken_away(self):
        self.create("sleep", "60")
        os.unlink(f"{self.bundle.state}/{self.bundle.name}/state.json")
        done = self.bundle.call("delete", self.bundle.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(mounted_beneath(self.bundle.path), [])

    def test_another_mount_is_left_alone(self):
        self.create("sleep", "60")
        subprocess.run(["umount", "-l", self.bundle.rootfs], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "others", self.bundle.rootfs], check=True)
        done = self.bundle.call("delete", "--force", self.bundle.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(mounted_beneath(self.bundle.path), [self.bundle.rootfs])
        subprocess.run(["umount", self.bundle.rootfs], check=True)

    def test_a_path_to_the_own_namespace_is_none(self):
        """pivot_root(2) there would give the whole host the container's root."""
        self.config["linux"]["namespaces"].append({"type": "mount", "path": "/proc/self/ns/mnt"})
        self.assertEqual(self.shell("ls -d /work /var 2> /dev/null; true"), "/work\n")
        self.assertTrue(os.path.isdir("/var"))

    def test_refusals(self):
        self.config["linux"]["namespaces"].append({"type": "user"})
        self.config["linux"]["uidMappings"] = self.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        self.refused("user namespace without a mount namespace", self.bundle.run("true"))
        self.config["linux"]["namespaces"].pop()
        del self.config["linux"]["uidMappings"], self.config["linux"]["gidMappings"]
        self.config["root"]["path"] = "/"
        self.refused("the host's own root", self.bundle.run("true"))


class NoProcess(Case):
    def setUp(self):
        super().setUp()
        self.process = self.config.pop("process")
        self.bundle.save()

    def create(self):
        with open(self.bundle.path + "/output", "w", encoding="utf-8") as output:
            return self.bundle.call("create", "--bundle", self.bundle.path, self.bundle.name, capture_output=False, stdout=output, stderr=output)

    def test_created_but_never_started(self):
        self.config["hooks"] = {"poststart": [{"path": "/bin/touch", "args": ["touch", self.bundle.path + "/poststart"]}]}
        self.bundle.save()
        self.assertEqual(self.create().returncode, 0, self.bundle.output())
        state = self.bundle.state_of()
        self.assertEqual(state["status"], "created")
        with open(f"/proc/{state['pid']}/status", encoding="utf-8") as stream:
            self.assertIn("CapEff:\t0000000000000000\n", stream.read())
        done = self.bundle.call("start", self.bundle.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("process: config.json of container", done.stderr)
        self.assertEqual(self.bundle.state_of()["status"], "stopped")
        self.assertFalse(os.path.exists(self.bundle.path + "/poststart"))
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)

    def test_start_container_hooks_have_nobody_to_be(self):
        self.config["hooks"] = {"startContainer": [{"path": "/bin/true"}]}
        self.bundle.save()
        self.assertEqual(self.create().returncode, 0, self.bundle.output())
        done = self.bundle.call("start", self.bundle.name)
        self.assertEqual((done.returncode, self.bundle.state_of()["status"]), (1, "stopped"))
        self.assertIn("process: config.json of container", done.stderr)

    def test_run_is_refused(self):
        self.refused("process: missing", self.bundle.call("run", "--bundle", self.bundle.path, self.bundle.name))

    def test_exec_with_a_process_of_its_own(self):
        self.assertEqual(self.create().returncode, 0, self.bundle.output())
        done = self.bundle.call("exec", self.bundle.name, "true")
        self.assertEqual(done.returncode, 255)
        self.assertIn("use --process", done.stderr)
