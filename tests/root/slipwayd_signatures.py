"""What a node's signature policy lets PullImage take: signatures made by the openssl program, served by a registry, asked for over the socket."""
import base64
import json
import os
import subprocess
import tempfile
import unittest

from daemon import Daemon, busybox
from image import OCI, Index, encode
from layer import digest
from registry import Registry

BUILD = os.environ.get("SLIPWAY_BUILD", "")
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"


class Key:
    """An ECDSA key on P-256, as `cosign generate-key-pair` makes them."""

    def __init__(self, folder, name):
        self.private, self.public = f"{folder}/{name}.key", f"{folder}/{name}.pub"
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.private)
        self.openssl("ec", "-in", self.private, "-pubout", "-out", self.public)

    @staticmethod
    def openssl(*words, data=b""):
        return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout

    def sign(self, data):
        return base64.b64encode(self.openssl("dgst", "-sha256", "-sign", self.private, data=data)).decode()


class LocalRegistry(Registry):
    @property
    def host(self):
        return f"127.0.0.1:{self._port}"


class Signatures:
    """What lies beside an image: pushed as one."""

    media_type = OCI["manifest"]

    def __init__(self, *signed):
        self._blobs = [b"{}"] + [payload for payload, _ in signed]
        layers = [{"mediaType": PAYLOAD, "digest": digest(payload), "size": len(payload), "annotations": {"dev.cosignproject.cosign/signature": signature}}
                  for payload, signature in signed]
        config = {"mediaType": OCI["config"], "digest": digest(b"{}"), "size": 2}
        self.manifest = encode({"schemaVersion": 2, "mediaType": self.media_type, "config": config, "layers": layers})

    def blobs(self):
        return self._blobs

    def parts(self):
        return [self]


def payload(image_digest, name):
    return encode({"critical": {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": image_digest},
                                "type": "cosign container image signature"}, "optional": None})


class SignaturePolicy(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="slipway-signatures-")
        self.addCleanup(self.dir.cleanup)
        self.registry = LocalRegistry(self.dir.name + "/storage").__enter__()
        self.addCleanup(self.registry.__exit__)
        self.host = self.registry.host
        self.key, self.other = Key(self.dir.name, "key"), Key(self.dir.name, "other")
        self.policy = self.dir.name + "/policy.json"
        self.let({"default": [{"type": "reject"}]})
        self.daemon = Daemon(BUILD, BUILD + "/bin", config=f'[images]\nsignature_policy = "{self.policy}"\n')
        self.addCleanup(self.daemon.close)

    def let(self, policy):
        with open(self.policy, "w", encoding="utf-8") as file:
            json.dump(policy, file)

    def let_signed(self, **more):
        wanted = {"type": "sigstoreSigned", "keyPath": self.key.public, "signedIdentity": {"type": "matchRepository"}, **more}
        self.let({"default": [{"type": "reject"}], "transports": {"docker": {self.host + "/team": [wanted]}}})

    def sign(self, key, repository, image_digest, name=None):
        text = payload(image_digest, name or f"{self.host}/{repository}")
        self.registry.push(Signatures((text, key.sign(text))), repository, [image_digest.replace(":", "-") + ".sig"])

    def pull(self, name):
        return self.daemon.call("PullImage", {"image": {"image": f"{self.host}/{name}"}})

    def taken(self, name):
        good, words = self.pull(name)
        self.assertTrue(good, words)

    def refused(self, name, *parts):
        """The kubelet takes the code's name away and looks at how the rest begins."""
        good, words = self.pull(name)
        self.assertFalse(good, words)
        self.assertTrue(words.startswith("UNKNOWN: SignatureValidationFailed: "), words)
        for part in (f"{self.host}/{name}", self.policy, *parts):
            self.assertIn(part, words)
        self.assertEqual(self.daemon.cri("ImageStatus", {"image": {"image": f"{self.host}/{name}"}}).get("image"), None)

    def test_signed_by_the_key(self):
        image = busybox()
        for name in ("good", "unsigned", "stranger", "elsewhere"):
            self.registry.push(image, "team/" + name, ["1"])
        self.registry.push(image, "others/good", ["1"])
        self.sign(self.key, "team/good", digest(image.manifest))
        self.sign(self.other, "team/stranger", digest(image.manifest))
        self.sign(self.key, "team/elsewhere", digest(image.manifest), f"{self.host}/team/good")
        self.let_signed()
        self.refused("others/good:1", "default", "rejected")
        self.refused("team/unsigned:1", f"transports.docker.'{self.host}/team'", "has none")
        self.refused("team/stranger:1", "not the key's")
        self.refused("team/elsewhere:1", "/team/good'")
        self.taken("team/good:1")
        self.taken("team/good@" + digest(image.manifest))
        self.let_signed(signedIdentity={"type": "matchRepoDigestOrExact"})  # cosign's signatures name no tag
        self.assertFalse(self.pull("team/good:1")[0])

    def test_the_index_or_the_manifest(self):
        index = Index(busybox())
        for name in ("index", "manifest", "neither"):
            self.registry.push(index, "team/" + name, ["1"])
        self.sign(self.key, "team/index", digest(index.manifest))
        self.sign(self.key, "team/manifest", digest(index.images[1].manifest))
        self.let_signed()
        self.taken("team/index:1")
        self.taken("team/manifest:1")
        self.refused("team/neither:1", digest(index.manifest), "has none")

    def test_what_cannot_be_verified_and_no_policy(self):
        self.registry.push(busybox(), "team/a", ["1"])
        for requirement, part in (({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}, "signedBy"),
                                  ({"type": "sigstoreSigned", "fulcio": {}, "rekorPublicKeyPath": "/r"}, "fulcio"),
                                  ({"type": "sigstoreSigned", "keyPath": "/no/such/key"}, "/no/such/key"),
                                  ({"type": "magic"}, "'magic'")):
            self.let({"default": [requirement]})
            self.refused("team/a:1", part)
        os.unlink(self.policy)
        self.refused("team/a:1", "No such file")
        self.let({"default": [{"type": "insecureAcceptAnything"}]})
        self.taken("team/a:1")
