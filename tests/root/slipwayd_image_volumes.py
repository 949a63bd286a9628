"""Image volumes: an image's content in a container, read-only, whole or a part, in the words that the kubelet looks for where it cannot be."""
import base64
import os
import unittest

from daemon import Daemon, busybox
from image import OCI, Image, encode
from layer import Layer, digest

BUILD = os.environ.get("SLIPWAY_BUILD", "")
DATA, PLAIN = "slipway.test/data:1", "slipway.test/plain:1"


def data():
    """Two layers: the upper one takes away, replaces and adds."""
    lower = (Layer().dir("etc").file("etc/passwd", "of the image\n").dir("models").file("models/old", "old").file("models/kept", "kept")
             .dir("hidden").file("hidden/x", "x").symlink("link", "/models/kept").symlink("out", "../../../../etc/passwd").symlink("loop", "loop"))
    upper = Layer().file("models/.wh.old", "").file("models/new", "new").file("hidden/.wh..wh..opq", "").program("bin/busybox", "/bin/busybox")
    return Image([lower, upper])


class Artifact:
    """Files of any kind with a manifest, as oras and others push them: (title or None, bytes) each."""

    def __init__(self, files, kind="application/vnd.example.model"):
        self.files, self.config, self.media_type = files, b"{}", OCI["manifest"]
        layers = [{"mediaType": "application/octet-stream", "size": len(data), "digest": digest(data),
                   **({"annotations": {"org.opencontainers.image.title": title}} if title is not None else {})} for title, data in files]
        self.manifest = encode({"schemaVersion": 2, "mediaType": OCI["manifest"], "artifactType": kind, "layers": layers,
                                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": digest(b"{}")}})

    def blobs(self):
        return [self.config] + [data for _, data in self.files]

    def descriptor(self):
        return {"mediaType": self.media_type, "size": len(self.manifest), "digest": digest(self.manifest)}


class ImageVolumes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(BUILD, f"{BUILD}/bin")
        cls.addClassCleanup(cls.daemon.close)
        cls.daemon.load(busybox())
        cls.daemon.load(data(), DATA)
        cls.daemon.load(Image([Layer().dir("d").file("d/one", "one").file("two", "two")]), PLAIN)
        cls.pod = cls.daemon.run_pod("volumes")
        cls.addClassCleanup(cls.daemon.remove_pod, cls.pod)
        cls.number = 0

    def create(self, *mounts, command=("sleep", "1000")):
        type(self).number += 1
        config = self.daemon.container_config(f"c{self.number}", *command)
        config["mounts"] = list(mounts)
        return self.daemon.call("CreateContainer", {"pod_sandbox_id": self.pod, "config": config, "sandbox_config": self.daemon.pod_config("volumes")})

    def run_with(self, *mounts):
        good, reply = self.create(*mounts)
        self.assertTrue(good, reply)
        container = reply["container_id"]
        self.addCleanup(self.daemon.cri, "RemoveContainer", {"container_id": container})
        self.daemon.cri("StartContainer", {"container_id": container})
        return container

    def inside(self, container, script):
        reply = self.daemon.cri("ExecSync", {"container_id": container, "cmd": ["sh", "-c", script], "timeout": 30})
        return base64.b64decode(reply.get("stdout", "")).decode()

    @staticmethod
    def volume(image, path="/v", **more):
        return {"container_path": path, "readonly": True, "image": {"image": image, "user_specified_image": image}, **more}

    def test_layers_are_merged_and_read_only(self):
        container = self.run_with(self.volume(DATA), self.volume(PLAIN, "/plain"))
        self.assertEqual(self.inside(container, "cd /v/models && echo *; ls /v/hidden | wc -l; cat /v/etc/passwd; cat /plain/two"),
                         "kept new\n0\nof the image\ntwo")
        self.assertEqual(self.inside(container, "for f in /v/x /plain/x /v/models/kept; do (echo y >$f) 2>/dev/null && echo $f; done; /v/bin/busybox echo runs"),
                         "runs\n")
        options = self.inside(container, r"""awk '$5 == "/v" || $5 == "/plain" {print $6}' /proc/self/mountinfo""".replace("awk", "/v/bin/busybox awk")).split()
        for each in options:
            self.assertEqual({"ro", "nosuid", "nodev"} - set(each.split(",")), set(), options)
        self.assertEqual(len(options), 2)

    def test_a_part_is_a_directory_or_a_file(self):
        container = self.run_with(self.volume(DATA, "/models", image_sub_path="models"), self.volume(DATA, "/etc/kept", image_sub_path="models/kept"),
                                  self.volume(PLAIN, "/d", image_sub_path="d/"), self.volume(PLAIN, "/one", image_sub_path="d/one"),
                                  self.volume(DATA, "/linked", image_sub_path="link"), self.volume(DATA, "/passwd", image_sub_path="out"))
        self.assertEqual(self.inside(container, "cd /models && echo *; cat /etc/kept; ls /d; cat /one /linked /passwd"),
                         "kept new\nkept" + "one\n" + "onekept" + "of the image\n")

    def test_the_status_names_the_image(self):
        container = self.run_with(self.volume(DATA, image_sub_path="models"))
        mount = self.daemon.status(container)["mounts"][0]
        wanted = self.daemon.call("ImageStatus", {"image": {"image": DATA}})[1]["image"]["id"]
        self.assertEqual([mount["image"][name] for name in ("image", "user_specified_image", "image_ref")], [DATA, DATA, wanted])
        self.assertEqual((mount["image_sub_path"], mount["readonly"], mount.get("host_path", "")), ("models", True, ""))

    def test_refusals_begin_with_the_kubelets_word(self):
        before = set(self.daemon.left())
        for volume, code, parts in [
                (self.volume("slipway.test/absent:1"), "NOT_FOUND", ["/v", "slipway.test/absent:1"]),
                (self.volume(DATA, image_sub_path="nothing/here"), "NOT_FOUND", ["/v", "nothing/here", "not in the image"]),
                (self.volume(PLAIN, image_sub_path="nothing"), "NOT_FOUND", ["/v", "nothing", "not in the image"]),
                (self.volume(DATA, image_sub_path="loop"), "", ["/v", "loop"]),
                (self.volume(DATA, image_sub_path="../etc"), "INVALID_ARGUMENT", ["image_sub_path", "../etc"]),
                (self.volume(DATA, image_sub_path="/etc"), "INVALID_ARGUMENT", ["image_sub_path", "/etc"]),
                (self.volume(DATA, propagation="PROPAGATION_BIDIRECTIONAL"), "INVALID_ARGUMENT", ["propagation", "/v"]),
                ({**self.volume(DATA), "readonly": False}, "INVALID_ARGUMENT", ["readonly", "/v"])]:
            with self.subTest(volume=volume):
                good, reply = self.create(volume)
                self.assertFalse(good)
                self.assertIn(f"{code}: ImageVolumeMountFailed" if code else ": ImageVolumeMountFailed", reply)
                for part in parts:
                    self.assertIn(part, reply)
        self.assertEqual(set(self.daemon.left()), before)

    def test_mount_options_apply(self):
        self.assertTrue(self.daemon.cri("Status", {})["features"]["mount_options"])
        host = {"container_path": "/h", "host_path": "/tmp", "mount_options": ["noexec", "nosuid", "nodev"]}
        container = self.run_with(self.volume(DATA, mount_options=["noexec"]), self.volume(DATA, "/w"), host)
        self.assertEqual(self.inside(container, "/v/bin/busybox true || echo refused; /w/bin/busybox echo runs"), "refused\nruns\n")
        flags = self.inside(container, r"""/w/bin/busybox awk '$5 == "/h" {print $6}' /proc/self/mountinfo""").split(",")
        self.assertEqual({"noexec", "nosuid", "nodev"} - {flag.strip() for flag in flags}, set())
        good, reply = self.create({**host, "mount_options": ["suid"]})
        self.assertFalse(good)
        self.assertIn("INVALID_ARGUMENT: mounts.mount_options: 'suid'", reply)

    def test_an_artifact_is_its_files(self):
        name, long = "slipway.test/model:1", "a" * 150 + "/" + "b" * 150
        plain = b"without a name"
        files = [("weights.bin", os.urandom(100_000)), ("conf/model.json", b"{}"), (long, b"long"), ("empty", b""), (None, plain)]
        self.daemon.load(Artifact(files), name)
        self.daemon.load(Artifact([("other", b"x")]), "slipway.test/other:1")
        ids = [self.daemon.cri("ImageStatus", {"image": {"image": each}})["image"]["id"] for each in (name, "slipway.test/other:1")]
        self.assertNotEqual(*ids)
        container = self.run_with(self.volume(name), self.volume(name, "/model.json", image_sub_path="conf/model.json"))
        self.assertEqual(self.inside(container, f"cat /v/conf/model.json /model.json /v/{long} /v/empty /v/{digest(plain)[7:]}"),
                         "{}{}long" + plain.decode())
        reply = self.daemon.cri("ExecSync", {"container_id": container, "cmd": ["cat", "/v/weights.bin"], "timeout": 30})
        self.assertEqual(base64.b64decode(reply["stdout"]), files[0][1])
        self.assertEqual(self.inside(container, "ls /v | cat"), "\n".join(sorted(["a" * 150, "conf", digest(plain)[7:], "empty", "weights.bin"])) + "\n")
        for title in ("../escape", "a/../../escape", "dir/.wh.gone", "a\nb", "/"):
            with self.subTest(title=title), self.assertRaisesRegex(AssertionError, "title"):
                self.daemon.load(Artifact([(title, b"x")]), "slipway.test/bad:1")

    def test_the_layers_outlive_their_image(self):
        name = "slipway.test/gone:1"
        self.daemon.load(Image([Layer().file("a", "a"), Layer().file("b", "b")]), name)
        layers = set(os.listdir(self.daemon.root + "/images/layers"))
        good, reply = self.create(self.volume(name))
        self.assertTrue(good, reply)
        container = reply["container_id"]
        self.daemon.cri("RemoveImage", {"image": {"image": name}})
        self.assertEqual(set(os.listdir(self.daemon.root + "/images/layers")), layers)
        self.daemon.cri("StartContainer", {"container_id": container})
        self.assertEqual(self.inside(container, "cat /v/a /v/b"), "ab")
        self.daemon.cri("RemoveContainer", {"container_id": container})
        self.assertEqual(len(layers - set(os.listdir(self.daemon.root + "/images/layers"))), 2)
