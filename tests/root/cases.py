"""What the runner's tests share: a case with its bundle, waiting, and a process that exchanges two names."""
import os
import subprocess
import sys
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


class Exchanger:
    """A process that exchanges two names as fast as it can (renameat2 RENAME_EXCHANGE)."""

    SCRIPT = ("import ctypes,sys\nlibc=ctypes.CDLL(None)\na,b=(p.encode() for p in sys.argv[1:])\n"
              "while True: libc.renameat2(-100,a,-100,b,2)")

    def __init__(self, one, other):
        self.command = [sys.executable, "-c", self.SCRIPT, one, other]

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


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
