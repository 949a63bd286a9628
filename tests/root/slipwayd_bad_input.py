"""Bad input to slipwayd over its socket: each gets the gRPC code and a sentence with field, value and reason; afterwards nothing is left."""
import gzip
import http.server
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import threading
import unittest

from daemon import IMAGE, Daemon, busybox
from image import OCI, Image, write_oci_layout
from layer import Layer, digest

BUILD = os.environ.get("SLIPWAY_BUILD", "")

# CRI pods that cannot be: what is changed in the configuration, code and parts of the sentence.
PODS = [
    ({"metadata": {"name": "", "namespace": "d", "uid": "u"}}, "INVALID_ARGUMENT", ["metadata.name", "empty"]),
    ({"metadata": {"name": "a\nb", "namespace": "d", "uid": "u"}}, "INVALID_ARGUMENT", ["metadata.name", "control character"]),
    ({"hostname": "a b"}, "INVALID_ARGUMENT", ["hostname", "'a b'"]),
    ({"hostname": "x" * 65}, "INVALID_ARGUMENT", ["hostname", "longer"]),
    ({"log_directory": "logs"}, "INVALID_ARGUMENT", ["log_directory", "'logs'", "not absolute"]),
    ({"linux": {"cgroup_parent": "../evil"}}, "INVALID_ARGUMENT", ["cgroup_parent", "'../evil'"]),
    ({"linux": {"cgroup_parent": "/a/../../evil"}}, "INVALID_ARGUMENT", ["cgroup_parent", "/a/../../evil"]),
    ({"linux": {"sysctls": {"kernel.core_pattern": "|/bin/evil"}}}, "INVALID_ARGUMENT", ["sysctl", "kernel.core_pattern"]),
    ({"linux": {"sysctls": {"net..x": "1"}}}, "INVALID_ARGUMENT", ["sysctls", "'net..x'"]),
    ({"linux": {"security_context": {"run_as_group": {"value": "5"}}}}, "INVALID_ARGUMENT", ["run_as_group", "5", "run_as_user"]),
    ({"linux": {"security_context": {"run_as_user": {"value": "-1"}}}}, "INVALID_ARGUMENT", ["run_as_user", "-1"]),
    ({"linux": {"security_context": {"run_as_user": {"value": "4294967296"}}}}, "INVALID_ARGUMENT", ["run_as_user", "4294967296"]),
    ({"linux": {"security_context": {"namespace_options": {"pid": 9}}}}, "INVALID_ARGUMENT", ["namespace_options.pid", "9"]),
    ({"linux": {"security_context": {"namespace_options": {"network": "TARGET"}}}}, "INVALID_ARGUMENT", ["namespace_options.network", "TARGET"]),
    ({"linux": {"security_context": {"seccomp": {"profile_type": "Localhost"}}}}, "INVALID_ARGUMENT", ["seccomp.localhost_ref"]),
    ({"port_mappings": [{"container_port": 70000}]}, "INVALID_ARGUMENT", ["port", "70000"]),
    ({"port_mappings": [{"container_port": 80, "host_ip": "not an address", "host_port": 80}]}, "INVALID_ARGUMENT", ["host_ip", "not an address"]),
    ({"dns_config": {"servers": ["10.0.0.1\nnameserver 6.6.6.6"]}}, "INVALID_ARGUMENT", ["dns", "6.6.6.6"]),
]

# Containers that cannot be.
CONTAINERS = [
    ({"metadata": {"name": ""}}, "INVALID_ARGUMENT", ["metadata.name", "empty"]),
    ({"metadata": {"name": "a\tb"}}, "INVALID_ARGUMENT", ["metadata.name", "control character"]),
    ({"image": {"image": ""}}, "INVALID_ARGUMENT", ["image.image", "empty"]),
    ({"image": {"image": "slipway.test/absent:1"}}, "NOT_FOUND", ["slipway.test/absent:1"]),
    ({"log_path": "../../etc/cron.d/evil"}, "INVALID_ARGUMENT", ["log_path", "../../etc/cron.d/evil"]),
    ({"log_path": "/etc/cron.d/evil"}, "INVALID_ARGUMENT", ["log_path", "/etc/cron.d/evil"]),
    ({"envs": [{"key": "A=B", "value": "eA=="}]}, "INVALID_ARGUMENT", ["envs", "'A=B'"]),
    ({"mounts": [{"container_path": "/x", "host_path": "/no/such/path"}]}, "NOT_FOUND", ["mounts.host_path", "/no/such/path", "No such file"]),
    ({"mounts": [{"container_path": "/x", "host_path": "relative"}]}, "INVALID_ARGUMENT", ["mounts.host_path", "'relative'"]),
    ({"mounts": [{"container_path": "/a/../../x", "host_path": "/etc"}]}, "INVALID_ARGUMENT", ["mounts.container_path", "/a/../../x", ".."]),
    ({"mounts": [{"container_path": "/x", "host_path": "/etc", "propagation": 7}]}, "INVALID_ARGUMENT", ["mounts.propagation", "7"]),
    ({"devices": [{"container_path": "/dev/x", "host_path": "/dev/no-such-device", "permissions": "rw"}]}, "NOT_FOUND", ["devices.host_path", "/dev/no-such-device"]),
    ({"devices": [{"container_path": "/dev/x", "host_path": "/etc/hostname", "permissions": "rw"}]}, "INVALID_ARGUMENT", ["devices.host_path", "/etc/hostname"]),
    ({"devices": [{"container_path": "/dev/x", "host_path": "/dev/null", "permissions": "rwx"}]}, "INVALID_ARGUMENT", ["devices.permissions", "'rwx'"]),
    ({"stop_signal": 99}, "INVALID_ARGUMENT", ["stop_signal", "99"]),
    ({"linux": {"resources": {"cpu_period": "-1"}}}, "INVALID_ARGUMENT", ["cpu_period", "-1"]),
    ({"linux": {"resources": {"cpu_shares": "-1"}}}, "INVALID_ARGUMENT", ["cpu_shares", "-1"]),
    ({"linux": {"resources": {"cpu_quota": "-5"}}}, "INVALID_ARGUMENT", ["cpu_quota", "-5"]),
    ({"linux": {"resources": {"memory_limit_in_bytes": "-5"}}}, "INVALID_ARGUMENT", ["memory_limit_in_bytes", "-5"]),
    ({"linux": {"resources": {"memory_swap_limit_in_bytes": "-5"}}}, "INVALID_ARGUMENT", ["memory_swap_limit_in_bytes", "-5"]),
    ({"linux": {"resources": {"oom_score_adj": "5000"}}}, "INVALID_ARGUMENT", ["oom_score_adj", "5000"]),
    ({"linux": {"resources": {"cpuset_cpus": "all"}}}, "INVALID_ARGUMENT", ["cpus", "'all'"]),
    ({"linux": {"resources": {"unified": {"../evil": "1"}}}}, "INVALID_ARGUMENT", ["unified", "'../evil'"]),
    ({"linux": {"resources": {"hugepage_limits": [{"page_size": "2MB", "limit": "5"}, {"page_size": "7XB", "limit": "5"}]}}}, "FAILED_PRECONDITION", ["hugepage_limits", "7XB", "no huge pages"]),
    ({"linux": {"security_context": {"capabilities": {"add_capabilities": ["CAP_NOSUCH"]}}}}, "INVALID_ARGUMENT", ["add_capabilities", "CAP_NOSUCH"]),
    ({"linux": {"security_context": {"run_as_group": {"value": "5"}}}}, "INVALID_ARGUMENT", ["run_as_group", "5", "run_as_user"]),
    ({"linux": {"security_context": {"run_as_username": "nobody-of-this-name"}}}, "INVALID_ARGUMENT", ["run_as_username", "nobody-of-this-name"]),
    ({"linux": {"security_context": {"run_as_username": "4294967296"}}}, "INVALID_ARGUMENT", ["run_as_username", "4294967296"]),
    ({"linux": {"security_context": {"masked_paths": ["proc"]}}}, "INVALID_ARGUMENT", ["masked_paths", "'proc'"]),
    ({"linux": {"security_context": {"seccomp": {"profile_type": "Localhost", "localhost_ref": "/no/such/profile"}}}}, "NOT_FOUND", ["/no/such/profile"]),
    ({"linux": {"security_context": {"privileged": True}}}, "INVALID_ARGUMENT", ["security_context.privileged", "true"]),
    ({"linux": {"security_context": {"namespace_options": {"pid": "POD"}}}}, "INVALID_ARGUMENT", ["namespace_options.pid", "POD", "CONTAINER"]),
    ({"linux": {"security_context": {"namespace_options": {"pid": "TARGET", "target_id": "nobody"}}}}, "INVALID_ARGUMENT", ["namespace_options.target_id", "nobody"]),
]

# What only their making shows.
STARTS = [
    ({"mounts": [{"container_path": "/proc/sys", "host_path": "/etc"}]}, "INVALID_ARGUMENT", ["/proc/sys", "/etc"]),
    ({"command": ["/no/such/program"]}, "NOT_FOUND", ["/no/such/program"]),
]


def merged(base, change):
    out = dict(base)
    for key, value in change.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) and key not in ("metadata", "image") else value
    return out


class Case(unittest.TestCase):
    def start(self, **options):
        self.daemon = Daemon(BUILD, BUILD + "/bin", **options)
        self.addCleanup(self.daemon.close)

    def refused(self, code, parts, answer):
        good, words = answer
        self.assertFalse(good, words)
        self.assertTrue(words.startswith(code + ": "), words)
        for part in parts:
            self.assertIn(part, words)

    def nothing_left(self):
        self.assertEqual(self.daemon.left(), [], self.daemon.words())

    def layers(self):
        """Of the store: unpacked and half unpacked ones; `images` beneath the root is slipwayd's, the worker's own is the root."""
        found = [folder + "/layers" for folder in (self.daemon.root, self.daemon.root + "/images") if os.path.isdir(folder + "/layers")]
        return [name for folder in found for name in os.listdir(folder) if not name.endswith(".lock")]


class Requests(Case):
    def test_pods(self):
        self.start()
        for change, code, parts in PODS:
            with self.subTest(change=change):
                answer = self.daemon.call("RunPodSandbox", {"config": merged(self.daemon.pod_config(), change)})
                if answer[0]:
                    self.daemon.remove_pod(answer[1]["pod_sandbox_id"])
                self.refused(code, parts, answer)
        self.refused("INVALID_ARGUMENT", ["handler", "'nosuch'"],
                     self.daemon.call("RunPodSandbox", {"config": self.daemon.pod_config(), "runtime_handler": "nosuch"}))
        self.nothing_left()

    def test_containers(self):
        self.start()
        self.daemon.load()
        pod = self.daemon.run_pod()
        for change, code, parts in CONTAINERS:
            with self.subTest(change=change):
                config = merged(self.daemon.container_config("bad", "/bin/true"), change)
                self.refused(code, parts, self.daemon.call("CreateContainer", {"pod_sandbox_id": pod, "config": config, "sandbox_config": self.daemon.pod_config()}))
        self.assertEqual(self.daemon.cri("ListContainers", {}).get("containers", []), [])
        for change, code, parts in STARTS:
            with self.subTest(change=change):
                config = merged(self.daemon.container_config("bad", "/bin/true"), change)
                container = self.daemon.cri("CreateContainer", {"pod_sandbox_id": pod, "config": config, "sandbox_config": self.daemon.pod_config()})["container_id"]
                self.refused(code, parts, self.daemon.call("StartContainer", {"container_id": container}))
                status = self.daemon.status(container)
                self.assertEqual((status["state"], status["reason"], status["exit_code"]), ("CONTAINER_EXITED", "StartError", 128))
                self.daemon.cri("RemoveContainer", {"container_id": container})
        self.assertEqual([path for path in self.daemon.left() if "/containers/" in path], [])
        self.daemon.remove_pod(pod)
        self.nothing_left()

    def test_ids_and_names(self):
        self.start()
        self.daemon.load()
        for name in ("nobody", "../../etc", "a/b", ".", "\n", "%s%n"):
            self.refused("NOT_FOUND", [name], self.daemon.call("PodSandboxStatus", {"pod_sandbox_id": name}))
            self.refused("NOT_FOUND", [name], self.daemon.call("ContainerStatus", {"container_id": name}))
            self.refused("NOT_FOUND", [name], self.daemon.call("StartContainer", {"container_id": name}))
            self.assertTrue(self.daemon.call("StopPodSandbox", {"pod_sandbox_id": name})[0])  # gone is what is wanted
        self.refused("INVALID_ARGUMENT", ["pod_sandbox_id", "empty"], self.daemon.call("StopPodSandbox", {}))
        pod = self.daemon.run_pod("twin")
        self.assertEqual(self.daemon.run_pod("twin"), pod)  # the same name, uid and attempt is the same pod
        container = self.daemon.run_container(pod, "twin", "sleep", "1000")
        request = {"pod_sandbox_id": pod, "config": self.daemon.container_config("twin", "sleep", "1000"), "sandbox_config": self.daemon.pod_config("twin")}
        self.refused("ALREADY_EXISTS", [container], self.daemon.call("CreateContainer", request))
        self.refused("FAILED_PRECONDITION", [container], self.daemon.call("StartContainer", {"container_id": container}))
        self.refused("INVALID_ARGUMENT", ["cmd", "empty"], self.daemon.call("ExecSync", {"container_id": container}))
        self.refused("INVALID_ARGUMENT", ["timeout", "-1"], self.daemon.call("StopContainer", {"container_id": container, "timeout": "-1"}))
        self.daemon.cri("StopPodSandbox", {"pod_sandbox_id": pod})
        self.refused("FAILED_PRECONDITION", [pod], self.daemon.call("CreateContainer", {**request, "config": self.daemon.container_config("late", "true")}))
        self.daemon.remove_pod(pod)
        self.nothing_left()


class Plugins(Case):
    """CNI plugins that fail, hang, print garbage, megabytes or nothing."""

    PLUGINS = {
        "fails": ('echo \'{"cniVersion": "1.0.0", "code": 100, "msg": "no address is free"}\'; exit 1', "INTERNAL", ["'fails' ADD", "code 100", "no address is free"]),
        "hangs": ("sleep 1000", "DEADLINE_EXCEEDED", ["'hangs' ADD", "did not end in time"]),
        "garbage": ("echo 'this is no JSON'", "INTERNAL", ["'garbage' ADD"]),
        "talks": ("exec cat /dev/zero", "RESOURCE_EXHAUSTED", ["'talks' ADD", "wrote more than"]),
        "silent": ("exit 3", "INTERNAL", ["'silent' ADD", "exit 3"]),
        "dies": ("kill -9 $$", "INTERNAL", ["'dies' ADD", "signal 9"]),
        "empty": ('echo \'{"cniVersion": "1.0.0", "interfaces": [], "ips": []}\'', "FAILED_PRECONDITION", ["no address"]),
        "lies": ('echo \'{"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}], "ips": [{"interface": 7, "address": "banana"}]}\'',
                 "INTERNAL", ["network 'n'", "'banana'", "not an address"]),
    }

    def test_plugins(self):
        self.start(config="[cni]\ntimeout = 1\n")
        config = self.daemon.pod_config()
        config["linux"]["security_context"]["namespace_options"]["network"] = "POD"
        for name, (script, code, parts) in self.PLUGINS.items():
            with self.subTest(plugin=name):
                path = f"{self.daemon.plugins}/{name}"
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"#!/bin/sh\n[ $CNI_COMMAND = ADD ] || exit 0\n{script}\n")
                os.chmod(path, stat.S_IRWXU)
                with open(self.daemon.networks + "/10.conflist", "w", encoding="utf-8") as file:
                    json.dump({"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": name}]}, file)
                self.refused(code, parts, self.daemon.call("RunPodSandbox", {"config": config}))
                self.nothing_left()
        self.assertEqual([name for name in os.listdir("/run/netns") if self.owned(name)] if os.path.isdir("/run/netns") else [], [])

    def owned(self, name):
        return any(name in line for line in self.daemon.words().splitlines())


class Evil(Image):
    """An image whose layer's bytes are the test's."""

    def __init__(self, data, diff_id=None):
        class Raw(Layer):
            def blob(self):
                return {"data": data, "digest": digest(data), "diff_id": diff_id or digest(gzip.decompress(data))}
        super().__init__([Raw()], {"Cmd": ["/bin/sh"]})


def tar_of(*members):
    """members: (name, type, text, target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, text, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(text), target
            tar.addfile(info, io.BytesIO(text))
    return buffer.getvalue()


class Images(Case):
    def load(self, image, damage=None):
        folder = self.daemon.dir + "/layout"
        shutil.rmtree(folder, ignore_errors=True)
        write_oci_layout(image, folder, IMAGE)
        if damage:
            damage(folder)
        return self.daemon.slipctl("load", folder)

    def refused_load(self, parts, done):
        self.assertNotEqual(done.returncode, 0, done.stdout)
        for part in parts:
            self.assertIn(part, done.stderr)
        self.assertEqual(self.daemon.cri("ListImages", {}).get("images", []), [])
        self.assertEqual(self.layers(), [])

    def test_layers(self):
        self.start()
        victim = self.daemon.dir + "/victim"
        regular, link, symbolic = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
        up = "../" * 12 + victim[1:]
        for members, parts in (
                ([(up, regular, b"evil", "")], ["victim", ".."]),
                ([("a", symbolic, b"", "../" * 12 + self.daemon.dir[1:]), ("a/victim", regular, b"evil", "")], None),
                ([("h", link, b"", up)], ["'h'", ".."]),
                ([("h", link, b"", "absent")], ["'h'", "absent"]),
                ([("x", b"Q", b"", "")], ["type"])):
            with self.subTest(members=members):
                done = self.load(Evil(gzip.compress(tar_of(*members))))
                self.assertFalse(os.path.exists(victim))
                if parts is None:  # the link leads inside the layer: nothing is wrong with it
                    self.assertEqual(done.returncode, 0, done.stderr)
                    image = self.daemon.cri("ListImages", {})["images"][0]["id"]
                    self.daemon.cri("RemoveImage", {"image": {"image": image}})
                else:
                    self.refused_load(parts, done)

    def test_damage(self):
        self.start()
        good = busybox()
        data = good.layers[0].blob()["data"]
        layer = digest(data).split(":")[1]

        def change(folder, what):
            path = f"{folder}/blobs/sha256/{layer}"
            with open(path, "rb") as file:
                content = file.read()
            with open(path, "wb") as file:
                file.write(what(content))

        self.refused_load([layer[:12]], self.load(good, lambda folder: change(folder, lambda b: b[:-100])))
        self.refused_load([layer[:12]], self.load(good, lambda folder: change(folder, lambda b: b[:50] + bytes([b[50] ^ 1]) + b[51:])))
        self.refused_load([layer[:12]], self.load(good, lambda folder: os.unlink(f"{folder}/blobs/sha256/{layer}")))
        self.refused_load(["digest", "0" * 64], self.load(Evil(data, "sha256:" + "0" * 64)))
        short = gzip.compress(gzip.decompress(data)[:5000])
        self.refused_load(["tar"], self.load(Evil(short)))

    def test_bombs(self):
        self.start()
        sparse = tarfile.TarInfo("bomb")
        sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "bomb", "GNU.sparse.realsize": "5"}
        text = b"99999999\n".ljust(512, b"\0")
        sparse.size = len(text)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(sparse, io.BytesIO(text))
        self.refused_load(["sparse", "99999999"], self.load(Evil(gzip.compress(buffer.getvalue()))))
        deep = "d/" * 600 + "f"
        self.refused_load(["parts"], self.load(Evil(gzip.compress(tar_of((deep, tarfile.REGTYPE, b"", ""))))))

    def test_full_disk(self):
        """A store on a disk of 3 MiB: the layer does not fit, the error says so, its half is taken away."""
        root = "/tmp/slipway-full-disk-" + str(os.getpid())
        os.makedirs(root)
        self.addCleanup(os.rmdir, root)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "full", root], check=True)
        self.addCleanup(subprocess.run, ["umount", root], check=True)
        self.start(root=root)
        big = Image([Layer().file("big", os.urandom(6 << 20))], {"Cmd": ["/x"]})
        self.refused_load(["No space left on device"], self.load(big))
        self.daemon.load()  # what fits still goes in
        pod = self.daemon.run_pod()
        container = self.daemon.run_container(pod, "c", "/bin/true")
        self.assertEqual(self.daemon.status(container)["metadata"]["name"], "c")
        self.daemon.remove_pod(pod)


class Registry(http.server.BaseHTTPRequestHandler):
    """Answers as the test's `behaviour` says."""

    behaviour = ""

    def do_GET(self):  # noqa: N802  pylint: disable=invalid-name
        if self.behaviour == "resets":
            self.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: the close is a reset
            self.connection.close()
            return
        body = b'{"errors": [{"message": "out of order"}]}'
        if self.behaviour == "refuses":
            self.send_response(403)
        elif self.behaviour == "fails":
            self.send_response(503)
        else:
            body = b"<html>not a manifest</html>"
            self.send_response(200)
            self.send_header("Content-Type", OCI["manifest"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Registries(Case):
    def test_registries(self):
        self.start()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        name = f"127.0.0.1:{server.server_address[1]}/a/b:1"
        for behaviour, code, parts in (("refuses", "PERMISSION_DENIED", [name, "403", "out of order"]), ("fails", "UNKNOWN", ["RegistryUnavailable", name, "503"]),
                                       ("garbage", "INVALID_ARGUMENT", [name]), ("resets", "UNKNOWN", ["RegistryUnavailable", name])):
            with self.subTest(behaviour=behaviour):
                Registry.behaviour = behaviour
                self.refused(code, parts, self.daemon.call("PullImage", {"image": {"image": name}}))
        for bad in ("", "Not A Name", "a//b", "-x/y", "a" * 5000, "x@sha256:zz"):
            self.refused("INVALID_ARGUMENT", ["image"], self.daemon.call("PullImage", {"image": {"image": bad}}))
        self.assertEqual(self.layers(), [])


