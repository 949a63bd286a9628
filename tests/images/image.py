"""Images and manifest lists from layers: configuration, manifest, OCI layout folder, docker archive."""
import io
import json
import os
import tarfile

from layer import TIME, Layer, digest

OCI = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    "index": "application/vnd.oci.image.index.v1+json",
}
DOCKER = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
}


def encode(value):
    return json.dumps(value, indent=1, sort_keys=True).encode()


class Image:
    """One platform's image. `config` is the `config` object of the image specification (Cmd, Env, User …)."""

    def __init__(self, layers, config=None, kinds=None, architecture="amd64"):
        self.layers = layers
        self.kinds = kinds or OCI
        self.architecture = architecture
        self.config = encode({
            "architecture": architecture,
            "os": "linux",
            "created": "2023-11-14T22:13:20Z",
            "config": dict({"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}, **(config or {})),
            "rootfs": {"type": "layers", "diff_ids": [layer.blob()["diff_id"] for layer in layers]},
            "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "tests/images"} for _ in layers],
        })
        self.manifest = encode({
            "schemaVersion": 2,
            "mediaType": self.kinds["manifest"],
            "config": self._descriptor("config", self.config),
            "layers": [self._descriptor("layer", layer.blob()["data"]) for layer in layers],
        })
        self.media_type = self.kinds["manifest"]

    def _descriptor(self, kind, data):
        return {"mediaType": self.kinds[kind], "size": len(data), "digest": digest(data)}

    def blobs(self):
        return [self.config] + [layer.blob()["data"] for layer in self.layers]

    def parts(self):
        return [self]

    def descriptor(self):
        return dict(self._descriptor("manifest", self.manifest),
                    platform={"architecture": self.architecture, "os": "linux"})


class Index:
    """A manifest list whose first entry is for another architecture: whoever takes the first one fails."""

    def __init__(self, image):
        decoy_layer = Layer().file("decoy", "this image is for another machine\n")
        self.images = [Image([decoy_layer], {"Cmd": ["/decoy"]}, image.kinds, "s390x"), image]
        self.media_type = image.kinds["index"]
        self.manifest = encode({
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [part.descriptor() for part in self.images],
        })

    def parts(self):
        return self.images


def write_oci_layout(image, folder, name):
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs)
    for data in image.blobs() + [image.manifest]:
        with open(os.path.join(blobs, digest(data).split(":")[1]), "wb") as stream:
            stream.write(data)
    entry = dict(image.descriptor(), annotations={"org.opencontainers.image.ref.name": name})
    with open(os.path.join(folder, "oci-layout"), "wb") as stream:
        stream.write(encode({"imageLayoutVersion": "1.0.0"}))
    with open(os.path.join(folder, "index.json"), "wb") as stream:
        stream.write(encode({"schemaVersion": 2, "mediaType": OCI["index"], "manifests": [entry]}))


def write_docker_archive(image, path, name):
    def add(tar, member, data):
        info = tarfile.TarInfo(member)
        info.size, info.mtime = len(data), TIME
        tar.addfile(info, io.BytesIO(data))

    config_name = digest(image.config).split(":")[1] + ".json"
    layer_names = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for layer in image.layers:
            member = layer.blob()["diff_id"].split(":")[1] + "/layer.tar"
            if member not in layer_names:
                add(tar, member, layer.blob()["tar"])
            layer_names.append(member)
        add(tar, config_name, image.config)
        add(tar, "manifest.json", encode([{"Config": config_name, "RepoTags": [name], "Layers": layer_names}]))


def pack_folder(folder, path):
    """The same folder as one tar file, as tools hand OCI layouts around."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(os.path.join(folder, name), name)
