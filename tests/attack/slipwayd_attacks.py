"""Attacks on slipwayd and its monitors: pods on the host's network, so that no plugin and no VM is needed."""
import json
import os
import re
import stat

import polarity
from cases import until
from daemon import MONITORS, Daemon


class Slipwayd(polarity.Polarity):
    """A slipwayd with an image and a pod."""

    def start(self):
        self.daemon = Daemon(polarity.BUILD, self.programs)
        self.addCleanup(self.daemon.close)
        self.daemon.load()
        self.pod = self.daemon.run_pod()
        self.addCleanup(self.daemon.remove_pod, self.pod)


class Attack10(Slipwayd):
    """A container makes a user namespace, in which it would hold every capability."""

    defences = "seccomp"

    def attack(self):
        self.start()
        container = self.daemon.run_container(self.pod, "c", "unshare", "-U", "true")
        until("end", lambda: self.daemon.status(container)["state"] == "CONTAINER_EXITED")
        return self.daemon.status(container).get("exit_code", 0) == 0


class Attack40(Slipwayd):
    """Everybody on the host may enter slipway's folders, with a careless umask."""

    defences = "private_directories"

    def attack(self):
        self.start()
        self.daemon.run_container(self.pod, "c", "sleep", "1000")
        roots = (self.daemon.root, self.daemon.state)
        open_to_others = [path for path in roots if stat.S_IMODE(os.stat(path).st_mode) & 0o077]
        for folder, _, files in os.walk(self.daemon.state):  # and what holds secrets or takes orders is closed by itself
            open_to_others += [f"{folder}/{name}" for name in files if re.search(r"\.sock$|^config\.json$|^process\.json$", name)
                               and stat.S_IMODE(os.lstat(f"{folder}/{name}").st_mode) & 0o077]
        return open_to_others != []


class Attack42(Slipwayd):
    """The monitor is the OOM killer's victim as much as its pod, which then has nobody to reap it."""

    defences = "oom_protection"

    def attack(self):
        self.start()
        container = self.daemon.run_container(self.pod, "c", "sleep", "1000")
        pid = json.loads(self.daemon.slipctl("inspect", container).stdout)["pid"]
        with open(f"/proc/{pid}/oom_score_adj", encoding="utf-8") as file:
            self.assertEqual(file.read(), "0\n")  # the container itself is not protected
        with open(f"{MONITORS}/{self.pod}/cgroup.procs", encoding="utf-8") as file:
            monitors = file.read().split()  # outside the pod's cgroup
        self.assertEqual(len(monitors), 1)
        with open(f"/proc/{monitors[0]}/oom_score_adj", encoding="utf-8") as file:
            return int(file.read()) > -900
