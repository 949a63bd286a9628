"""What the runner's tests share: a case with its bundle, and waiting."""
import os
import time
import unittest

from bundles import Bundle

SLIPWAY = os.environ.get("SLIPWAY", "slipway")


def until(what, condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("not within time: " + what)
        time.sleep(0.005)


class Case(unittest.TestCase):
    def setUp(self):
        self.bundle = Bundle(SLIPWAY, self.id().rsplit(".", 1)[-1].replace("_", "-")[:40])
        self.addCleanup(self.bundle.remove)
        self.config = self.bundle.config

    def shell(self, script, status=0, **options):
        done = self.bundle.shell(script, **options)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return done.stdout

    def refused(self, part, done):
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(part, done.stderr)
        self.assertEqual(os.listdir(self.bundle.state) if os.path.isdir(self.bundle.state) else [], [], "a state directory is left")
        self.assertFalse(os.path.exists(self.bundle.cgroup()), "a cgroup is left")
