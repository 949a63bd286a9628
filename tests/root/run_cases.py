"""`slipway run`: what a container finds inside."""
import os
import signal
import subprocess

from bundles import CAPS, mount
from cases import SLIPWAY, Case


class Run(Case):
    def test_prints_and_leaves_nothing(self):
        self.assertEqual(self.shell("echo hello"), "hello\n")
        self.assertIsNone(self.bundle.state_of())
        self.assertFalse(os.path.exists(self.bundle.cgroup()))

    def test_exit_status(self):
        self.shell("exit 42", 42)
        self.shell("kill -9 $$; exit 3", 3)  # pid 1 ignores what it has no handler for
        self.assertEqual(self.bundle.run("false").returncode, 1)

    def test_a_caller_without_standard_descriptors(self):
        # The runner's first files would take their numbers, and the container would find the runner's folders there.
        done = self.bundle.shell("for n in 0 2; do readlink /proc/self/fd/$n; done; ls /proc/self/fd | wc -l",
                                 preexec_fn=lambda: (os.close(0), os.close(2)))
        self.assertEqual(done.stdout, "/dev/null\n/dev/null\n4\n", done.stderr)

    def test_names_and_namespaces(self):
        out = self.shell("hostname; echo $$; for n in pid net ipc uts mnt cgroup user; do readlink /proc/self/ns/$n; done").split()
        self.assertEqual(out[:2], ["inside", "1"])
        for kind, link in zip(("pid", "net", "ipc", "uts", "mnt", "cgroup"), out[2:8]):
            self.assertNotEqual(link, os.readlink(f"/proc/self/ns/{kind}"), kind)
        self.assertEqual(out[8], os.readlink("/proc/self/ns/user"))

    def test_cgroup_namespace_is_rooted_in_the_container(self):
        self.assertIn("0::/\n", self.shell("cat /proc/self/cgroup"))

    def test_masked_and_readonly_paths(self):
        self.config["mounts"].append(mount("/masked", "tmpfs", "tmpfs"))
        self.config["linux"]["maskedPaths"] += ["/masked"]
        os.makedirs(self.bundle.rootfs + "/masked")
        self.assertEqual(self.shell("wc -c < /proc/keys; ls /sys/firmware | wc -l").split(), ["0", "0"])
        said = self.bundle.shell("echo x > /masked/file").stderr
        self.assertIn("Read-only file system", said)
        said = self.bundle.shell("echo 1 > /proc/sys/kernel/domainname").stderr
        self.assertIn("Read-only file system", said)

    def test_readonly_root_and_mount_flags(self):
        self.config["root"]["readonly"] = True
        self.config["mounts"].append(mount("/tmp", "tmpfs", "tmpfs", "ro", "noexec"))
        self.config["mounts"].append(mount("/tmp/below", "tmpfs", "tmpfs", "mode=700"))
        done = self.bundle.shell("echo a > /new; echo a > /tmp/new; echo a > /tmp/below/new && echo written")
        self.assertEqual(done.stderr.count("Read-only file system"), 2, done.stderr)
        self.assertEqual(done.stdout, "written\n")

    def test_devices_and_links(self):
        self.config["linux"]["devices"] = [{"path": "/dev/extra/kvm", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8}]
        out = self.shell("for d in null zero full random urandom tty extra/kvm; do stat -c '%n %F %t:%T %a %u' /dev/$d; done; "
                         "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo x > /dev/null; head -c 3 /dev/zero | wc -c")
        self.assertIn("/dev/null character special file 1:3 666 0\n", out)
        self.assertIn("/dev/tty character special file 5:0 666 0\n", out)
        self.assertIn("/dev/extra/kvm character special file 1:3 640 7\n", out)
        self.assertIn("/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n3\n", out)

    def test_devices_win_over_default_ones(self):
        self.config["linux"]["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o622, "uid": 7, "gid": 8},
                                           {"path": "/dev//full", "type": "c", "major": 1, "minor": 5}]
        out = self.shell("stat -c '%n %t:%T %a %u:%g' /dev/null /dev/full /dev/zero")
        self.assertEqual(out, "/dev/null 1:3 622 7:8\n/dev/full 1:5 666 0:0\n/dev/zero 1:5 666 0:0\n")

    def test_device_rules_forbid(self):
        with open("/proc/misc", encoding="utf-8") as file:  # a device that every kernel has and everybody may read
            minor = next(int(line.split()[0]) for line in file if "cpu_dma_latency" in line)
        self.config["linux"]["devices"] = [{"path": "/dev/latency", "type": "c", "major": 10, "minor": minor}]
        self.assertIn("Operation not permitted", self.bundle.shell("head -c 1 /dev/latency").stderr)
        rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": minor, "access": "r"}]
        self.config["linux"]["resources"] = {"devices": rules}
        done = self.bundle.shell("head -c 4 /dev/latency | wc -c; echo 0 > /dev/latency")
        self.assertEqual(done.stdout, "4\n", done.stderr)
        self.assertIn("Operation not permitted", done.stderr)

    def test_capabilities(self):
        status = dict(line.split(":\t") for line in self.shell("grep ^Cap /proc/self/status").splitlines())
        mask = "00000000000004e1"
        self.assertEqual(status, {"CapInh": "0" * 16, "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": "0" * 16})

    def test_capabilities_that_the_runner_has_not_got_are_left_out(self):
        everything = CAPS + ["CAP_SYS_TIME"]
        self.config["process"]["capabilities"] = {kind: everything for kind in ("bounding", "effective", "permitted")}
        self.config["process"]["args"] = ["grep", "^CapPrm", "/proc/self/status"]
        self.bundle.save()
        words = ["setpriv", "--bounding-set", "-sys_time", SLIPWAY, "--root", self.bundle.state, "run", "-b", self.bundle.path, self.bundle.name]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.stdout.split(), ["CapPrm:", f"{1 << 0 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10:016x}"], done.stderr)
        self.assertIn("CAP_SYS_TIME is not ours to give", done.stderr)

    def test_ambient_capabilities_for_a_user(self):
        for kind in ("inheritable", "ambient"):
            self.config["process"]["capabilities"][kind] = ["CAP_KILL"]
        self.config["process"]["user"] = {"uid": 1000, "gid": 1000}
        status = dict(line.split(":\t") for line in self.shell("grep ^Cap /proc/self/status").splitlines())
        self.assertEqual((status["CapAmb"], status["CapEff"], status["CapInh"]), ("0000000000000020",) * 3)

    def test_no_new_privileges(self):
        self.assertIn("NoNewPrivs:\t1", self.shell("cat /proc/self/status"))
        self.config["process"]["noNewPrivileges"] = False
        self.assertIn("NoNewPrivs:\t0", self.shell("cat /proc/self/status"))

    def test_seccomp(self):
        self.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
        for no_new_privileges, user in ((True, 0), (False, 0), (True, 1000), (False, 1000)):
            self.config["process"]["noNewPrivileges"] = no_new_privileges
            self.config["process"]["user"] = {"uid": user, "gid": user}
            done = self.bundle.shell("grep Seccomp: /proc/self/status; mkdir /dev/shm/x")
            self.assertIn("Seccomp:\t2", done.stdout, done.stderr)
            self.assertIn("Operation not permitted", done.stderr)

    def test_user_groups_umask_and_limits(self):
        self.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 50000], "umask": 0o027}
        self.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
        out = self.shell("id -u; id -g; grep ^Groups: /proc/self/status; umask; ulimit -n; ulimit -Hn; ulimit -c")
        self.assertEqual(out.split(), ["1000", "1001", "Groups:", "5", "50000", "0027", "100", "200", "0"])

    def test_default_umask_and_signals(self):
        ignored = {"preexec_fn": lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN), "restore_signals": False}
        out = self.bundle.run("grep", "-E", "^(SigBlk|SigIgn|Umask)", "/proc/self/status", **ignored).stdout
        self.assertEqual(out.split(), ["Umask:", "0022", "SigBlk:", "0" * 16, "SigIgn:", "0" * 16])

    def test_only_standard_descriptors(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        out = self.shell("ls /proc/self/fd", pass_fds=(read, write))
        self.assertEqual(out.split(), ["0", "1", "2", "3"])  # 3 is ls's own

    def test_one_that_waits_for_start_holds_nothing_of_its_makers(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        self.assertEqual(self.bundle.create("true", pass_fds=(read, write)), 0, self.bundle.output())
        folder = f"/proc/{self.bundle.state_of()['pid']}/fd/"
        held = {int(fd): os.readlink(folder + fd) for fd in os.listdir(folder)}
        self.assertEqual([held.pop(fd) for fd in (0, 1, 2)], ["/dev/null", self.bundle.path + "/output", self.bundle.path + "/output"])
        # Its runner's end is gone; what is left is where it hears of the start.
        self.assertEqual(sorted(link.split(":")[0] for link in held.values()), [f"{self.bundle.state}/{self.bundle.name}/exec.fifo", "socket"])

    def test_preserved_descriptors(self):
        with open(self.bundle.path + "/kept", "w+", encoding="utf-8") as kept:
            kept.write("kept\n")
            kept.flush()
            os.lseek(kept.fileno(), 0, os.SEEK_SET)
            self.config["process"]["args"] = ["sh", "-c", "cat <&3"]
            self.bundle.save()
            words = [SLIPWAY, "--root", self.bundle.state, "run", "--preserve-fds=1", "-b", self.bundle.path, "kept"]
            done = subprocess.run(["sh", "-c", 'exec "$@" 3<"$0"', kept.name, *words], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "kept\n"), done.stderr)

    def test_environment_is_only_the_configured_one(self):
        self.config["process"]["env"].append("A=b c")
        self.assertEqual(self.bundle.run("env", env={"SECRET": "x"}).stdout, "PATH=/bin\nA=b c\nHOME=/\n")

    def test_oom_score_adj(self):
        self.config["process"]["oomScoreAdj"] = 321
        self.assertEqual(self.shell("cat /proc/self/oom_score_adj"), "321\n")

    def test_sysctl_and_domainname(self):
        self.config["linux"]["sysctl"] = {"kernel.msgmax": "4242", "net.ipv4.ip_forward": "1"}
        self.config["domainname"] = "some.domain"
        out = self.shell("cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/domainname")
        self.assertEqual(out.split(), ["4242", "1", "some.domain"])

    def test_missing_working_directory_is_made(self):
        self.config["process"]["cwd"] = "/work/a/b"
        self.assertEqual(self.shell("pwd"), "/work/a/b\n")

    def test_binds(self):
        host = self.bundle.path + "/host"
        os.makedirs(host + "/sub")
        with open(host + "/file", "w", encoding="utf-8") as file:
            file.write("from the host\n")
        self.config["mounts"] += [mount("/made/on/the/way", "bind", host, "rbind", "ro"), mount("/work/file", "bind", host + "/file", "bind")]
        done = self.bundle.shell("cat /made/on/the/way/file /work/file; echo y > /made/on/the/way/file; echo more >> /work/file")
        self.assertEqual(done.stdout, "from the host\n" * 2)
        self.assertIn("Read-only file system", done.stderr)
        with open(host + "/file", encoding="utf-8") as file:
            self.assertEqual(file.read(), "from the host\nmore\n")

    def test_propagation(self):
        volume = self.bundle.path + "/volume"
        for name in ("out", "private", "in"):
            os.makedirs(f"{volume}/{name}/sub")
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            before = file.read()
        self.assertNotIn(volume, before)
        subprocess.run(["mount", "--bind", volume, volume], check=True)
        self.addCleanup(subprocess.run, ["umount", "-R", "-l", volume], check=True)
        subprocess.run(["mount", "--make-shared", volume], check=True)
        for name, propagation in (("out", "rshared"), ("private", "rprivate"), ("in", "rslave")):
            self.config["mounts"].append(mount("/" + name, "bind", f"{volume}/{name}", "rbind", propagation))
        for kind in ("bounding", "effective", "permitted"):
            self.config["process"]["capabilities"][kind] = self.config["process"]["capabilities"][kind] + ["CAP_SYS_ADMIN"]
        self.config["linux"]["rootfsPropagation"] = "rshared"
        fifo = self.bundle.rootfs + "/work/go"
        os.mkfifo(fifo)
        self.config["process"]["args"] = ["sh", "-c", "for n in out private in; do mount -t tmpfs x /$n/sub; done; read x < /work/go; "
                                          "test -e /in/late/mark && echo late came in; test -e /private/late/mark || echo not here"]
        self.bundle.save()
        process = subprocess.Popen([SLIPWAY, "--root", self.bundle.state, "run", "-b", self.bundle.path, self.bundle.name],
                                   stdout=subprocess.PIPE, text=True)
        with open(fifo, "w", encoding="utf-8") as go:  # opens when the container reads
            with open("/proc/self/mountinfo", encoding="utf-8") as file:
                after = file.read()
            for name in ("in", "private"):
                os.makedirs(f"{volume}/{name}/late")
                subprocess.run(["mount", "-t", "tmpfs", "late", f"{volume}/{name}/late"], check=True)
                with open(f"{volume}/{name}/late/mark", "w", encoding="utf-8"):
                    pass
            go.write("go\n")
        out, _ = process.communicate(timeout=60)
        self.assertEqual(out, "late came in\nnot here\n")
        self.assertIn(f"{volume}/out/sub", after)
        self.assertNotIn(f"{volume}/private/sub", after)
        self.assertNotIn(f"{volume}/in/sub", after)

    def test_every_host_device(self):
        """What a privileged container gets: every device of the host, its console and ptmx too."""
        devices = []
        for name in os.listdir("/dev"):
            found = os.lstat("/dev/" + name)
            kind = {0o020000: "c", 0o060000: "b"}.get(found.st_mode & 0o170000)
            if kind:
                devices.append({"path": "/dev/" + name, "type": kind, "major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev)})
        self.assertGreater(len(devices), 10)
        self.config["linux"]["devices"] = devices
        found = set(self.shell("ls /dev").split())
        self.assertLessEqual({device["path"][5:] for device in devices}, found)

    def test_a_filter_that_does_not_know_our_calls(self):
        for privileges in (True, False):
            self.config["process"]["noNewPrivileges"] = privileges
            self.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["faccessat2", "openat2", "close_range", "clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
            self.assertEqual(self.shell("echo ran"), "ran\n")
            os.chmod(self.bundle.rootfs + "/etc", 0o755)
            self.refused("Permission denied", self.bundle.run("/etc"))

    def test_a_filter_that_forbids_to_send(self):
        for privileges in (True, False):
            self.config["process"]["noNewPrivileges"] = privileges
            self.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["sendto", "sendmsg"], "action": "SCMP_ACT_ERRNO"}]}
            self.assertEqual(self.shell("echo ran"), "ran\n")
            self.refused("no-such-program", self.bundle.run("no-such-program"))

    def test_remount(self):
        self.config["mounts"] += [
            mount("/work", "tmpfs", "tmpfs", "size=64k", "nosuid", "ro"), mount("/work", "", "", "remount", "rw", "size=128k", "nodev"),
            mount("/tmp", "bind", self.bundle.rootfs + "/etc", "rbind", "ro"), mount("/tmp", "none", "none", "remount", "bind", "rw", "noexec")]
        self.assertIn("(rw,nosuid,nodev,", self.shell("mount | grep ' on /work '; touch /work/x /tmp/x"))
        self.assertIn("size=128k", self.shell("mount | grep ' on /work '"))
        self.assertIn("noexec", self.shell("mount | grep ' on /tmp '"))
        for options in (["ro"], [], ["size=1m"], ["rslave"]):
            self.config["mounts"][-1:] = [mount("/bin", "", "", "remount", *options)]
            self.refused("remount '/bin': is anything mounted right there?: Invalid argument", self.bundle.run("true"))
        self.config["mounts"][-1:] = [mount("/work", "", "", "remount")]
        self.assertIn("(rw,nosuid,nodev,", self.shell("mount | grep ' on /work '"))

    def test_copy_symlink(self):
        os.symlink("no/such/place", self.bundle.path + "/link")
        self.config["mounts"] += [mount("/a/b/link", "bind", self.bundle.path + "/link", "bind", "copy-symlink"),
                                  mount("/work", "bind", self.bundle.rootfs + "/etc", "bind", "copy-symlink")]
        for _ in range(2):
            self.assertEqual(self.shell("readlink /a/b/link; mount | grep -c ' on /work '").split(), ["no/such/place", "1"])
        os.unlink(self.bundle.rootfs + "/a/b/link")
        os.symlink("elsewhere", self.bundle.rootfs + "/a/b/link")
        self.refused("make the link '/a/b/link': File exists", self.bundle.run("true"))

    def test_tmpcopyup(self):
        data = self.bundle.rootfs + "/data"
        os.makedirs(data + "/below/deep")
        with open(data + "/below/file", "w", encoding="utf-8") as file:
            file.write("x" * 300000)
        os.chmod(data + "/below/file", 0o4755)
        os.chown(data + "/below/file", 7, 8)
        os.chmod(data + "/below/file", 0o4755)
        os.symlink("/etc/../below", data + "/link")
        os.mkfifo(data + "/fifo", 0o600)
        os.chmod(data, 0o1775)
        os.chown(data, 5, 6)
        os.symlink("/data", self.bundle.rootfs + "/through")
        script = ("cd /through; stat -c '%n %F %a %u:%g %s' . below below/deep below/file fifo; readlink link; cat below/file | wc -c; "
                  "echo more > below/new && grep -c tmpfs /proc/self/mountinfo > /dev/null; stat -f -c %T .")
        self.config["mounts"].append(mount("/through", "tmpfs", "tmpfs", "tmpcopyup", "nosuid"))
        out = self.shell(script).splitlines()
        self.assertEqual([line.rsplit(" ", 1)[0] for line in out[:5]],
                         [". directory 1775 5:6", "below directory 755 0:0", "below/deep directory 755 0:0", "below/file regular file 4755 7:8", "fifo fifo 600 0:0"])
        self.assertEqual(out[5:], ["/etc/../below", "300000", "tmpfs"])
        self.assertFalse(os.path.exists(data + "/below/new"), "written through to the root")
        self.config["mounts"][-1] = mount("/data", "tmpfs", "tmpfs", "tmpcopyup", "mode=701", "uid=9", "gid=9")
        self.assertEqual(self.shell("stat -c '%a %u:%g' /data /data/below/file"), "701 9:9\n4755 7:8\n")
        self.config["mounts"][-1] = mount("/data", "tmpfs", "tmpfs", "tmpcopyup", "size=64k")
        self.refused("tmpcopyup: copy 'file': No space left on device", self.bundle.run("true"))
        self.config["mounts"][-1] = mount("/data", "bind", "/etc", "bind", "tmpcopyup")
        self.refused("'tmpcopyup': only into a tmpfs", self.bundle.run("true"))

    def test_joined_namespaces(self):
        holder = subprocess.Popen(["unshare", "-p", "-n", "-i", "-u", "-m", "-C", "-f", "sh", "-c", "hostname joined; echo ready; exec sleep 100"],
                                  stdout=subprocess.PIPE)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        holder.stdout.readline()
        with open(f"/proc/{holder.pid}/task/{holder.pid}/children", encoding="utf-8") as file:
            inside = int(file.read())
        self.addCleanup(os.kill, inside, signal.SIGKILL)
        files = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "mount": "mnt"}
        links = {kind: os.readlink(f"/proc/{inside}/ns/{file}") for kind, file in files.items()}
        del self.config["hostname"]
        show = "hostname; for n in pid net ipc uts cgroup mnt; do readlink /proc/self/ns/$n; done; ls -d /work"
        fresh = [dict(ns) for ns in self.config["linux"]["namespaces"]]
        # The mount namespace last: there the container's root takes the place of the holder's.
        for joined in (["uts", "pid"], ["uts", "network"], ["uts", "ipc"], ["uts", "cgroup"], list(files)):
            for ns, new in zip(self.config["linux"]["namespaces"], fresh):
                ns.clear()
                ns.update(new)
                if ns["type"] in joined:
                    ns["path"] = f"/proc/{inside}/ns/{files[ns['type']]}"
            out = self.shell(show).split()
            self.assertEqual((out[0], out[-1]), ("joined", "/work"))
            for kind, link in zip(files, out[1:7]):
                self.assertEqual(link == links[kind], kind in joined, f"{kind}, joining {joined}")

    def test_without_pivot(self):
        self.config["process"]["args"] = ["sh", "-c", "ls /; cat /proc/self/mountinfo | wc -l"]
        self.bundle.save()
        done = self.bundle.call("run", "--no-pivot", "-b", self.bundle.path, "flat")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("work\n", done.stdout)
