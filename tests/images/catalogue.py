"""Every test image by name, and where each goes: registry storage, OCI layouts, docker archives."""
import argparse
import os

import bases
import oddities
from image import DOCKER, OCI, Image, Index, pack_folder, write_docker_archive, write_oci_layout
from layer import Layer
from registry import Registry

SHELL = {"Cmd": ["sh"]}


def marked(base, name, config=None):
    """busybox and one file that says which image it is: a digest of its own."""
    return Image(base + [Layer().file("image-name", name + "\n")], config or SHELL)


def users_layer():
    return Layer().dir("etc").file("etc/passwd", bases.PASSWD + "default-user:x:1000:1000:user:/home:/bin/sh\n").file(
        "etc/group", bases.GROUP + "default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n")


def config_image(base):
    """A configuration with every field that a runtime has to honour."""
    layer = Layer().dir("work").file("work/here", "here\n").dir("usr").dir("usr/local").dir("usr/local/bin").file(
        "usr/local/bin/show", '#!/bin/sh\necho "args=$*"\necho "pwd=$(pwd)"\necho "ids=$(id -u):$(id -g):$(id -G)"\nenv\n', 0o755)
    return Image(base + [layer], {
        "Entrypoint": ["/usr/local/bin/show", "entry"],
        "Cmd": ["one", "two words"],
        "Env": ["PATH=/usr/local/bin:/bin", "FROM_IMAGE=yes", "EMPTY="],
        "WorkingDir": "/work",
        "User": "www-data",
        "StopSignal": "SIGUSR1",
        "Labels": {"org.slipway.test": "config"},
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
    })


def own_images(base, tree, programs):
    """Repository and image of what is served as 127.0.0.1:5000/slipway/NAME:latest."""
    nginx = Image(base + [bases.nginx_layer(tree, 80)], {"Cmd": ["/usr/sbin/nginx"], "StopSignal": "SIGQUIT",
                                                          "ExposedPorts": {"80/tcp": {}}}, DOCKER)
    pause = Image([Layer().program("pause", os.path.join(programs, "pause"))],
                  {"Entrypoint": ["/pause"], "User": "65535:65535"})
    return {
        "busybox": Image(base, SHELL),
        "busybox-docker": Image(base, SHELL, DOCKER),
        "multiarch": Index(Image(base, SHELL, OCI)),
        "multiarch-docker": Index(Image(base, SHELL, DOCKER)),
        "nginx": nginx,
        "httpd": Image(base + [bases.httpd_layer(tree)], {"Cmd": ["httpd-foreground"], "StopSignal": "SIGWINCH"}),
        "pause": pause,
        "config": config_image(base),
        "layers": Image(base + oddities.layers(), SHELL),
        "users": Image(base + [users_layer()], dict(SHELL, User="default-user")),
        "nonewprivs": nonewprivs(base, programs),
        "debian": Image(bases.debian_layers(tree), {"Cmd": ["bash"]}),
    }


def nonewprivs(base, programs):
    with open(os.path.join(programs, "nonewprivs"), "rb") as stream:
        layer = Layer().file("nnp", stream.read(), 0o4755)
    return Image(base + [layer], {"Entrypoint": ["/nnp"]})


def critest_images(base, tree, own):
    """(repository, tags, image) of what conformance tests pull under real registries' names: see tests/images/registries."""
    e2e, staging = "e2e-test-images/", "k8s-staging-cri-tools/"
    hostnet = Image(base + [bases.nginx_layer(tree, 12003)], {"Cmd": ["/usr/sbin/nginx"]})
    yield e2e + "busybox", ["1.29-2"], own["busybox"]
    yield e2e + "nginx", ["1.14-2"], own["nginx"]
    yield e2e + "httpd", ["2.4.39-4"], own["httpd"]
    yield e2e + "nonewprivs", ["1.3"], own["nonewprivs"]
    yield "pause", ["3.8", "3.9", "3.10", "3.10.1"], own["pause"]
    yield staging + "hostnet-nginx-amd64", ["latest"], hostnet
    for name in ("1", "2", "3", "latest", "digest"):
        yield f"{staging}test-image-{name}", ["latest"], marked(base, "test-image-" + name)
    yield staging + "test-image-tag", ["test", "all"], marked(base, "test-image-tag")
    yield staging + "test-image-tags", ["1", "2", "3"], marked(base, "test-image-tags")
    for name, user in (("uid", "1002"), ("username", "www-data"), ("uid-group", "1003:1004"), ("username-group", "www-data:1004")):
        yield f"{staging}test-image-user-{name}", ["latest"], marked(base, "user-" + name, dict(SHELL, User=user))
    yield staging + "test-image-predefined-group", ["latest"], own["users"]
    for tag in ("1", "1-glibc", "1-musl", "1-uclibc", "1.35.0-glibc"):
        yield "docker/library/busybox", [tag], marked(base, "busybox-" + tag)


def write_files(own, out):
    """What `slipctl load` reads."""
    folder = os.path.join(out, "load")
    os.makedirs(folder)
    write_oci_layout(own["config"], os.path.join(folder, "oci"), "slipway.test/loaded/layout:1")
    pack_folder(os.path.join(folder, "oci"), os.path.join(folder, "oci.tar"))
    write_docker_archive(own["config"], os.path.join(folder, "docker.tar"), "slipway.test/loaded/archive:1")


def main():
    parser = argparse.ArgumentParser()
    for name in ("debian", "busybox", "programs", "out"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    base = [bases.busybox_layer(options.busybox)]
    own = own_images(base, options.debian, options.programs)
    with Registry(os.path.join(options.out, "registry")) as registry:
        for name, image in own.items():
            registry.push(image, "slipway/" + name, ["latest"])
        for repository, tags, image in critest_images(base, options.debian, own):
            registry.push(Index(image) if isinstance(image, Image) else image, repository, tags)
    write_files(own, options.out)


main()
