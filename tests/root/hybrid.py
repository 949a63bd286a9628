"""A host with version 1 of cgroups beside a version 2 that has few controllers or none: what works there, and what is refused by name."""
import json
import os

from bundles import CGROUPS, HYBRID
from cases import Case, until


class Hybrid(Case):
    def setUp(self):
        self.assertTrue(HYBRID, "not a hybrid host: tests/tools/hybridview makes one of another")
        super().setUp()

    def begun(self):
        self.assertEqual(self.bundle.create("sh", "-c", "sleep 1000 & sleep 1001"), 0, self.bundle.output())
        self.assertEqual(self.bundle.call("start", self.bundle.name).returncode, 0)
        until("both", lambda: len(self.pids()) == 2)

    def pids(self):
        return json.loads(self.bundle.call("ps", "-f", "json", self.bundle.name).stdout)

    def test_freeze_and_kill(self):
        self.begun()
        self.assertEqual(self.bundle.call("pause", self.bundle.name).returncode, 0)
        with open(self.bundle.cgroup() + "/cgroup.events", encoding="utf-8") as file:
            self.assertIn("frozen 1", file.read())
        self.assertEqual(self.bundle.state_of()["status"], "paused")
        self.assertEqual(self.bundle.call("resume", self.bundle.name).returncode, 0)
        self.assertEqual(self.bundle.call("kill", "--all", self.bundle.name, "KILL").returncode, 0)
        until("stopped", lambda: self.bundle.state_of()["status"] == "stopped")  # a cgroup is left before a process has ended
        self.assertEqual(self.pids(), [])
        self.assertEqual(self.bundle.call("delete", self.bundle.name).returncode, 0)
        self.assertFalse(os.path.exists(self.bundle.cgroup()))

    def test_devices(self):
        self.config["mounts"][1]["options"] = ["mode=755"]  # with devices of our own making
        self.config["process"]["capabilities"]["bounding"] = self.config["process"]["capabilities"]["effective"] = \
            self.config["process"]["capabilities"]["permitted"] = ["CAP_MKNOD"]
        script = "busybox mknod /dev/made c 10 237; (exec 3</dev/made) 2>&1; true"
        self.assertIn("Operation not permitted", self.shell(script))
        self.config["linux"]["resources"] = {"devices": [{"allow": True, "type": "c", "major": 10, "minor": 237, "access": "rm"}]}
        self.assertNotIn("Operation not permitted", self.shell(script))

    def test_limits_name_the_controller(self):
        with open(CGROUPS + "/cgroup.controllers", encoding="utf-8") as file:
            there = file.read().split()
        wanted = {"memory": {"memory": {"limit": 67108864}}, "pids": {"pids": {"limit": 0}}, "cpu": {"cpu": {"shares": 200}},
                  "cpuset": {"cpu": {"cpus": "0"}}, "io": {"blockIO": {"weight": 100}}}
        missing = [controller for controller in wanted if controller not in there]
        self.assertNotEqual(missing, [], "this hybrid host has every controller in version 2")
        for controller in missing:
            self.config["linux"]["resources"] = wanted[controller]
            self.refused(f"the {controller} controller is not available", self.bundle.run("true"))
        # No limit is no limit.
        self.config["linux"]["resources"] = {"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1, "shares": 0}}
        self.assertEqual(self.bundle.run("true").returncode, 0)
