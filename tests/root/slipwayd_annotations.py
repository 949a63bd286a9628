"""What annotations of pods give their containers: limits, a umask, cgroup files, devices, a bigger /dev/shm; and what is not to be had."""
import base64
import os
import unittest

from daemon import Daemon

BUILD = os.environ.get("SLIPWAY_BUILD", "")


class Annotations(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(BUILD, f"{BUILD}/bin", config='[pods]\nannotations = ["ulimits", "umask", "devices", "shm-size"]\ndevices = ["/dev/full"]\n')
        self.addCleanup(self.daemon.close)
        self.daemon.load()

    def pod(self, **annotations):
        config = {**self.daemon.pod_config("noted"), "annotations": annotations}
        pod = self.daemon.cri("RunPodSandbox", {"config": config})["pod_sandbox_id"]
        self.addCleanup(self.daemon.remove_pod, pod)
        return pod, config

    def create(self, pod, config, name):
        return self.daemon.call("CreateContainer", {"pod_sandbox_id": pod, "config": self.daemon.container_config(name, "sleep", "1000"),
                                                    "sandbox_config": config})

    def inside(self, container, script):
        reply = self.daemon.cri("ExecSync", {"container_id": container, "cmd": ["sh", "-c", script], "timeout": 30})
        return base64.b64decode(reply.get("stdout", "")).decode()

    def started(self, pod, config, name):
        good, reply = self.create(pod, config, name)
        self.assertTrue(good, reply)
        self.daemon.cri("StartContainer", {"container_id": reply["container_id"]})
        return reply["container_id"]

    def test_they_are_there(self):
        pod, config = self.pod(**{"ulimits.slipway.io/one": "nofile=100:200,core=0", "umask.crio.io": "0027", "devices.crio.io": "/dev/full:/dev/brim:rw",
                                  "shm-size.crio.io": "16Mi",
                                  "ulimits.nri.containerd.io/container.two": "- type: RLIMIT_STACK\n  hard: 1048576\n  soft: 524288\n"})
        one, two = self.started(pod, config, "one"), self.started(pod, config, "two")
        self.assertEqual(self.inside(one, "ulimit -Sn; ulimit -Hn; ulimit -c; umask"), "100\n200\n0\n0027\n")
        self.assertIn("size=16384k", next(line for line in self.inside(one, "cat /proc/mounts").splitlines() if " /dev/shm " in line))
        self.assertEqual(self.inside(one, "(echo x >/dev/brim) 2>/dev/null || echo full"), "full\n")
        self.assertEqual(self.inside(two, "ulimit -Hs; ulimit -Ss"), "1024\n512\n")

    def test_refusals(self):
        pod, config = self.pod(**{"ulimits.slipway.io/one": "rtprio=99", "unified-cgroup.crio.io": "not honoured here"})
        good, reply = self.create(pod, config, "one")
        self.assertFalse(good)
        self.assertIn("INVALID_ARGUMENT: annotation 'ulimits.slipway.io/one': there is no limit 'rtprio'", reply)
        self.started(pod, config, "two")
        good, reply = self.daemon.call("RunPodSandbox", {"config": {**self.daemon.pod_config("bad"), "annotations": {"shm-size.crio.io": "64Q"}}})
        self.assertFalse(good)
        self.assertIn("annotation 'shm-size.crio.io': '64Q' is no size", reply)

    def test_a_device_that_is_not_allowed(self):
        pod, config = self.pod(**{"devices.crio.io": "/dev/kmsg"})
        good, reply = self.create(pod, config, "one")
        self.assertFalse(good)
        self.assertIn("PERMISSION_DENIED: annotation 'devices.crio.io': /dev/kmsg", reply)
