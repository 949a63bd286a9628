"""What checkpoint and restore refuse before criu is asked; what they do with it: tests/integration/checkpoint_test.py, in the VM."""
import os
import subprocess

from cases import SLIPWAY, Case


class Refused(Case):
    def start(self):
        self.assertEqual(self.bundle.create("sleep", "1000"), 0, self.bundle.output())

    def call(self, *words, path="/no/such/folder"):
        return self.bundle.call(*words, env={"PATH": path})

    def test_without_criu(self):
        self.start()
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        done = self.call("checkpoint", "--image-path", self.bundle.path + "/images", self.bundle.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("'criu' was not found in PATH '/no/such/folder': checkpoint and restore need CRIU", done.stderr)
        self.assertFalse(os.path.exists(self.bundle.path + "/images"))
        self.assertEqual(self.bundle.state_of()["status"], "running")
        for place in ([], ["--criu", "/no/such/criu"]):
            os.makedirs(self.bundle.path + "/images", exist_ok=True)
            done = self.call("restore", "--image-path", self.bundle.path + "/images", "--bundle", self.bundle.path, *place, "another")
            self.assertEqual(done.returncode, 1)
            self.assertIn("'/no/such/criu' is no program" if place else "'criu' was not found", done.stderr)
            self.assertEqual(os.listdir(self.bundle.state), [self.bundle.name])
        done = subprocess.run([SLIPWAY, "--root", self.bundle.state, "--criu", "/no/such/criu", "checkpoint", self.bundle.name],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertIn("'/no/such/criu' is no program", done.stderr)

    def test_a_program_that_is_no_criu(self):
        """What it prints is in the error."""
        fake = self.bundle.path + "/fake"
        with open(fake, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho no criu at all >&2\nexit 3\n")
        os.chmod(fake, 0o755)
        self.start()
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        done = self.bundle.call("checkpoint", "--criu", fake, "--image-path", self.bundle.path + "/images", self.bundle.name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no criu at all", done.stderr)
        self.assertIn("images/dump.log", done.stderr)
        self.assertEqual(os.listdir(self.bundle.path + "/images"), [])
        self.assertEqual(sorted(os.listdir(f"{self.bundle.state}/{self.bundle.name}")), ["config.json", "state.json"])

    def test_images_that_were_laid_out_as_a_trap(self):
        """They may come out of somebody's archive: what waits for ever, what leads elsewhere."""
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        images = self.bundle.path + "/images"
        os.mkdir(images)
        note = images + "/descriptors.json"
        for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)):
            make(note)
            done = self.bundle.call("restore", "--criu", "/bin/true", "--image-path", images, "--bundle", self.bundle.path, self.bundle.name)
            self.refused("'descriptors.json' is not a regular file", done)
            os.rename(note, f"{images}/{make.__name__}")

    def test_states(self):
        self.assertIn("does not exist", self.call("checkpoint", self.bundle.name).stderr)
        self.start()
        self.assertIn("is created: it cannot be checkpointed", self.call("checkpoint", self.bundle.name).stderr)
        self.assertEqual(self.bundle.call("kill", self.bundle.name, "KILL").returncode, 0)
        done = self.call("restore", "--bundle", self.bundle.path, self.bundle.name)
        self.assertIn(f"container '{self.bundle.name}' exists already", done.stderr)

    def test_flags(self):
        self.start()
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        for flags, part in ((["--lazy-pages"], "--lazy-pages: pages over the network"), (["--page-server", "127.0.0.1:1"], "--page-server"),
                            (["--status-fd", "1"], "--status-fd"), (["--manage-cgroups-mode", "odd"], "'odd' is none of soft, full, strict, ignore"),
                            (["--empty-ns", "ipc"], "--empty-ns: 'ipc'"), (["--network-lock", "odd"], "--network-lock: 'odd'")):
            done = self.call("checkpoint", *flags, self.bundle.name)
            self.assertEqual(done.returncode, 1, flags)
            self.assertIn(part, done.stderr)

    def test_podman_asks(self):
        """Whether there is checkpoint and restore, and restore into pods, it asks so and by these words."""
        self.assertEqual(self.bundle.call("checkpoint", "--help").returncode, 0)
        self.assertIn("flag needs an argument", self.bundle.call("restore", "--lsm-mount-context").stderr)
