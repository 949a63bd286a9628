"""Devices by their CDI names: what files say for them is in the container, a later directory's file counts, and what cannot be had is said."""
import base64
import json
import os
import tempfile
import unittest

from daemon import Daemon

BUILD = os.environ.get("SLIPWAY_BUILD", "")


class Cdi(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="slipway-cdi-")
        self.addCleanup(self.dir.cleanup)
        self.fixed, self.late = self.dir.name + "/etc", self.dir.name + "/run"
        for folder in (self.fixed, self.late, self.dir.name + "/lib"):
            os.mkdir(folder)
        with open(self.dir.name + "/lib/driver", "w", encoding="utf-8") as file:
            file.write("of the host\n")
        self.daemon = Daemon(BUILD, BUILD + "/bin", config=f'[pods]\ncdi_directories = ["{self.fixed}", "{self.late}", "{self.dir.name}/absent"]\n')
        self.addCleanup(self.daemon.close)
        self.daemon.load()
        self.pod = self.daemon.run_pod()
        self.addCleanup(self.daemon.remove_pod, self.pod)

    def write(self, folder, name, devices, edits=None, kind="vendor.com/gpu"):
        content = {"cdiVersion": "0.6.0", "kind": kind, "devices": [{"name": device, "containerEdits": each} for device, each in devices.items()],
                   "containerEdits": edits or {}}
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            json.dump(content, file)

    def create(self, name, *devices, **security):
        config = self.daemon.container_config(name, "sleep", "1000")
        config["CDI_devices"] = [{"name": device} for device in devices]
        config["linux"]["security_context"].update(security)
        return self.daemon.call("CreateContainer", {"pod_sandbox_id": self.pod, "config": config, "sandbox_config": self.daemon.pod_config()})

    def inside(self, script, *devices, **security):
        good, reply = self.create("c" + str(abs(hash(script))), *devices, **security)
        self.assertTrue(good, reply)
        self.daemon.cri("StartContainer", {"container_id": reply["container_id"]})
        reply = self.daemon.cri("ExecSync", {"container_id": reply["container_id"], "cmd": ["sh", "-c", script], "timeout": 30})
        return base64.b64decode(reply.get("stdout", "")).decode()

    def refused(self, code, parts, *devices):
        good, words = self.create("refused", *devices)
        self.assertFalse(good, words)
        self.assertTrue(words.startswith(code + ": "), words)
        for part in parts:
            self.assertIn(part, words)

    def test_edits(self):
        hook = self.dir.name + "/hook"
        with open(hook, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\n[ "$1" = note ] && echo "made for $WHO" >rootfs/etc/hooked\n')
        os.chmod(hook, 0o755)
        self.write(self.fixed, "vendor.json", {
            "0": {"env": ["GPU=0"], "deviceNodes": [{"path": "/dev/gpu0", "hostPath": "/dev/full", "permissions": "rw"}]},
            "1": {"env": ["GPU=1"], "mounts": [{"hostPath": self.dir.name + "/lib", "containerPath": "/opt/gpu", "options": ["ro", "nosuid", "nodev", "bind"]}],
                  "hooks": [{"hookName": "createContainer", "path": hook, "args": ["hook", "note"], "env": ["WHO=gpu", "PATH=/usr/bin:/bin"]}],
                  "additionalGids": [4242]}},
                   {"env": ["DRIVER=yes"]})
        self.assertEqual(self.inside("echo $GPU $DRIVER; (echo x >/dev/gpu0) 2>&1 | grep -o 'No space.*'; ls /opt", "vendor.com/gpu=0"),
                         "0 yes\nNo space left on device\n")
        self.assertEqual(self.inside("echo $GPU; cat /opt/gpu/driver /etc/hooked; (echo x >/opt/gpu/x) 2>&1 | grep -o 'Read-only.*'; test -e /dev/gpu0 || id -G",
                                     "vendor.com/gpu=1"), "1\nof the host\nmade for gpu\nRead-only file system\n0 4242\n")
        both = self.inside("echo $GPU; ls -ln /dev/gpu0 | tr -s ' ' | cut -d' ' -f1,3,4", "vendor.com/gpu=1", "vendor.com/gpu=0", "vendor.com/gpu=1",
                           run_as_user={"value": "1000"}, run_as_group={"value": "1000"})
        self.assertEqual(both, "0\ncrw-rw-rw- 1000 1000\n")

    def test_a_node_that_is_not_the_hosts(self):
        """By its numbers alone; "u" is a character device, for which rules have no letter of their own."""
        self.write(self.fixed, "vendor.json", {"0": {"deviceNodes": [{"path": "/dev/full0", "type": "u", "major": 1, "minor": 7, "permissions": "rw"}]}})
        self.assertEqual(self.inside("stat -c %F,%t,%T /dev/full0; (echo x >/dev/full0) 2>&1 | grep -o 'No space.*'", "vendor.com/gpu=0"),
                         "character special file,1,7\nNo space left on device\n")

    def test_which_file_counts(self):
        for folder, value in ((self.fixed, "fixed"), (self.late, "late")):
            self.write(folder, "a.json", {"0": {"env": ["FROM=" + value]}})
        self.write(self.fixed, "b.json", {"twice": {}})
        self.write(self.fixed, "c.yaml", {"twice": {}})
        self.assertEqual(self.inside("echo $FROM", "vendor.com/gpu=0"), "late\n")
        self.refused("FAILED_PRECONDITION", ["vendor.com/gpu=twice", "b.json", "c.yaml"], "vendor.com/gpu=twice")
        with open(self.late + "/e.yaml", "w", encoding="utf-8") as file:  # as the CDI library writes for drivers
            file.write("---\ncdiVersion: 0.6.0\ncontainerEdits: {}\ndevices:\n- containerEdits:\n    env:\n    - WAY=yaml\n    - EMPTY=\n  name: \"9\"\nkind: vendor.com/gpu\n")
        self.assertEqual(self.inside("echo $WAY${EMPTY-unset}", "vendor.com/gpu=9"), "yaml\n")
        self.write(self.late, "d.json", {"twice": {"env": ["X=1"]}})
        self.assertEqual(self.inside("echo $X", "vendor.com/gpu=twice"), "1\n")

    def test_refusals(self):
        self.refused("INVALID_ARGUMENT", ["CDI_devices", "'gpu0'"], "gpu0")
        self.refused("NOT_FOUND", ["vendor.com/gpu=0"], "vendor.com/gpu=0")
        with open(self.fixed + "/bad.yaml", "w", encoding="utf-8") as file:
            file.write("cdiVersion: *version\n")
        with open(self.fixed + "/bad.json", "w", encoding="utf-8") as file:
            file.write('{"cdiVersion": "0.6.0", "kind": "vendor.com/gpu", "surprise": 1}')
        self.refused("NOT_FOUND", ["vendor.com/gpu=0", "bad.yaml: line 1: an alias", "bad.json: surprise"], "vendor.com/gpu=0")
        self.write(self.late, "gpu.json", {"rdt": {"intelRdt": {"closID": "x"}}, "gone": {"deviceNodes": [{"path": "/dev/no-such"}]},
                                           "hook": {"hooks": [{"hookName": "poststop", "path": "/bin/true"}]}, "good": {}})
        self.refused("UNIMPLEMENTED", ["vendor.com/gpu=rdt", "gpu.json", "intelRdt"], "vendor.com/gpu=rdt")
        self.refused("NOT_FOUND", ["vendor.com/gpu=gone", "/dev/no-such"], "vendor.com/gpu=good", "vendor.com/gpu=gone")
        self.refused("UNIMPLEMENTED", ["vendor.com/gpu=hook", "createContainer"], "vendor.com/gpu=hook")
        self.assertEqual(self.inside("echo fine", "vendor.com/gpu=good"), "fine\n")
