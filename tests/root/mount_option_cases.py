"""Every mount option of the specification's table (config.md, "Linux mount options"), in effect: as the container's own mountinfo has it."""
import json
import os
import subprocess

from bundles import mount
from cases import Case

# Of one mount, on a tmpfs: the options, the words that mountinfo then has, and those that it has not.
OWN = {
    "atime": (["noatime", "atime"], {"relatime"}, {"noatime"}),
    "defaults": (["defaults"], {"rw"}, {"nosuid", "nodev", "noexec"}),
    "dev": (["nodev", "dev"], set(), {"nodev"}),
    "diratime": (["nodiratime", "diratime"], set(), {"nodiratime"}),
    "exec": (["noexec", "exec"], set(), {"noexec"}),
    "noatime": (["noatime"], {"noatime"}, {"relatime"}),
    "nodev": (["nodev"], {"nodev"}, set()),
    "nodiratime": (["nodiratime"], {"nodiratime"}, set()),
    "noexec": (["noexec"], {"noexec"}, set()),
    "norelatime": (["noatime", "norelatime"], {"relatime"}, {"noatime"}),  # the kernel's default since 2.6.30, whoever asks for neither
    "nostrictatime": (["strictatime", "nostrictatime"], {"relatime"}, set()),
    "nosuid": (["nosuid"], {"nosuid"}, set()),
    "nosymfollow": (["nosymfollow"], {"nosymfollow"}, set()),
    "relatime": (["noatime", "relatime"], {"relatime"}, {"noatime"}),
    "ro": (["ro"], {"ro"}, {"rw"}),
    "rw": (["ro", "rw"], {"rw"}, {"ro"}),
    "strictatime": (["strictatime"], set(), {"relatime", "noatime"}),
    "suid": (["nosuid", "suid"], set(), {"nosuid"}),
    "symfollow": (["nosymfollow", "symfollow"], set(), {"nosymfollow"}),
}
# Of the file system: the words of its superblock.
SUPER = {
    "async": (["sync", "async"], set(), {"sync"}),
    "dirsync": (["dirsync"], {"dirsync"}, set()),
    "lazytime": (["lazytime"], {"lazytime"}, set()),
    "loud": (["loud"], {"rw"}, set()),
    "mand": (["mand"], {"mand"}, set()),
    "nolazytime": (["lazytime", "nolazytime"], set(), {"lazytime"}),
    "nomand": (["mand", "nomand"], set(), {"mand"}),
    "silent": (["silent"], {"rw"}, set()),
    "sync": (["sync"], {"sync"}, set()),
    # Nothing shows them: a file system that counts changes does so unasked (ext4 since Linux 6.1, tmpfs, XFS, btrfs).
    "iversion": (["iversion"], {"rw"}, set()),
    "noiversion": (["noiversion"], {"rw"}, set()),
}
# With all that is beneath, on a bind of two mounts: what both have after it, and what neither has; those of the second set on mounts that have it all.
DOWN = {
    "rnoatime": ({"noatime"}, {"relatime"}), "rnodev": ({"nodev"}, set()), "rnodiratime": ({"nodiratime"}, set()), "rnoexec": ({"noexec"}, set()),
    "rnosuid": ({"nosuid"}, set()), "rnosymfollow": ({"nosymfollow"}, set()), "rro": ({"ro"}, set()), "rstrictatime": (set(), {"relatime", "noatime"}),
    "rrelatime": ({"relatime"}, {"noatime"}),
}
TAKEN_BACK = {
    "ratime": ({"relatime"}, {"noatime"}), "rdev": (set(), {"nodev"}), "rdiratime": (set(), {"nodiratime"}), "rexec": (set(), {"noexec"}),
    "rnorelatime": ({"relatime"}, {"noatime"}), "rnostrictatime": ({"relatime"}, {"noatime"}), "rrw": ({"rw"}, {"ro"}), "rsuid": (set(), {"nosuid"}),
    "rsymfollow": (set(), {"nosymfollow"}),
}
# Whom the mount hears, on a bind of a shared one with a shared one beneath: its own word in mountinfo, and the other's.
PROPAGATION = {
    "private": ("", "shared"), "shared": ("shared", "shared"), "slave": ("master", "shared"), "unbindable": ("unbindable", "shared"),
    "rprivate": ("", ""), "rshared": ("shared", "shared"), "rslave": ("master", "master"), "runbindable": ("unbindable", "unbindable"),
}
ELSEWHERE = {"remount": "run_cases", "tmpcopyup": "run_cases", "idmap": "namespace_cases", "ridmap": "namespace_cases"}


class MountOptions(Case):
    def test_more_mounts_than_a_packet_of_descriptors_holds(self):
        targets = [f"/many/{i}" for i in range(40)]
        self.config["mounts"] += [mount(target, "tmpfs", f"source{target[1:]}", "rw") for target in targets]
        lines = [line.split(" - ") for line in self.shell("cat /proc/self/mountinfo").splitlines()]
        seen = {front.split()[4]: back.split()[1] for front, back in lines if front.split()[4].startswith("/many/")}
        self.assertEqual(seen, {target: f"source{target[1:]}" for target in targets})

    def test_a_mount_that_cannot_be_made_leaves_nothing(self):
        self.config["mounts"] += [mount("/v", "tmpfs", "tmpfs", "size=nonsense")]
        self.refused("mounts[", self.bundle.run("true"))

    def see(self, options, **entry):
        """What the container has at /v and beneath it: {path: (options, optional fields, superblock's options)}."""
        self.config["mounts"] = self.config["mounts"][:7] + [mount("/v", "tmpfs", "tmpfs", *options) | entry]
        seen = {}
        for line in self.shell("cat /proc/self/mountinfo").splitlines():
            front, back = line.split(" - ")
            fields = front.split()
            if fields[4] in ("/v", "/v/sub"):
                seen[fields[4]] = (set(fields[5].split(",")), " ".join(field.split(":")[0] for field in fields[6:]), set(back.split()[2].split(",")))
        return seen

    def volume(self, *options):
        """A mount of the host's with another beneath it."""
        volume = self.bundle.path + "/volume"
        if os.path.isdir(volume):
            subprocess.run(["umount", "-R", "-l", volume], check=True)
        else:
            os.mkdir(volume)
        words = ["-o", ",".join(options)] if options else []
        subprocess.run(["mount", "-t", "tmpfs", "v", volume], check=True)
        self.addCleanup(subprocess.run, ["umount", "-R", "-l", volume], capture_output=True, check=False)
        subprocess.run(["mount", "--make-private", volume], check=True)
        os.mkdir(volume + "/sub")
        subprocess.run(["mount", "-t", "tmpfs", *words, "sub", volume + "/sub"], check=True)
        if words:
            subprocess.run(["mount", "-o", ",".join(("remount", "bind") + options), volume], check=True)
        return {"type": "none", "source": volume}

    def has(self, what, seen, there, absent):
        self.assertLessEqual(there, seen, what)
        self.assertFalse(absent & seen, f"{what}: {seen}")

    def test_the_list_is_the_table(self):
        features = json.loads(self.bundle.call("features").stdout)["mountOptions"]
        tables = [OWN, SUPER, DOWN, TAKEN_BACK, PROPAGATION, ELSEWHERE, {"bind": 0, "rbind": 0}]
        self.assertEqual(sorted(features), sorted(name for table in tables for name in table))

    def test_of_one_mount(self):
        for name, (options, there, absent) in OWN.items():
            own, _, _ = self.see(options)["/v"]
            self.has(name, own, there, absent)

    def test_of_a_file_system(self):
        for name, (options, there, absent) in SUPER.items():
            _, _, superblock = self.see(options)["/v"]
            self.has(name, superblock, there, absent)

    def test_bind_and_rbind(self):
        volume = self.volume()
        self.assertEqual(set(self.see(["bind"], **volume)), {"/v"})
        self.assertEqual(set(self.see(["rbind"], **volume)), {"/v", "/v/sub"})

    def test_down_to_what_is_beneath(self):
        volume = self.volume()
        for name, (there, absent) in DOWN.items():
            seen = self.see(["rbind", name], **volume)
            for path in ("/v", "/v/sub"):
                self.has(f"{name} at {path}", seen[path][0], there, absent)
            # Without the r in front it stays above.
            seen = self.see(["rbind", name[1:]], **volume)
            self.has(f"{name[1:]} at /v", seen["/v"][0], there, absent)
            if there and name != "rrelatime":
                self.has(f"{name[1:]} at /v/sub", seen["/v/sub"][0], set(), there)

    def test_taken_back_from_what_is_beneath(self):
        volume = self.volume("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow")
        for name, (there, absent) in TAKEN_BACK.items():
            seen = self.see(["rbind", name], **volume)
            for path in ("/v", "/v/sub"):
                self.has(f"{name} at {path}", seen[path][0], there, absent)

    def test_mapped_ids_without_the_right_to_trace(self):
        """Whoever holds the user namespace for them is looked at by /proc/PID/ns."""
        os.mkdir(self.bundle.path + "/mapped")  # no tmpfs, which Linux 6.3 and later alone can map
        mapped = mount("/v", "bind", self.bundle.path + "/mapped", "bind")
        mapped["uidMappings"] = mapped["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        self.config["mounts"].append(mapped)
        self.config["process"]["args"] = ["true"]
        self.bundle.save()
        command = ["setpriv", "--bounding-set", "-sys_ptrace", self.bundle.slipway, "--root", self.bundle.state]
        done = subprocess.run(command + ["run", "--bundle", self.bundle.path, self.bundle.name], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_propagation(self):
        volume = self.volume()
        for part in ("", "/sub"):
            subprocess.run(["mount", "--make-shared", volume["source"] + part], check=True)
        self.config["linux"]["rootfsPropagation"] = "slave"  # else nothing beneath hears anybody
        for name, words in PROPAGATION.items():
            seen = self.see(["rbind", name], **volume)
            self.assertEqual(tuple(seen[path][1].split(" ")[-1] for path in ("/v", "/v/sub")), words, f"{name}: {seen}")
