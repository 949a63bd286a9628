"""Layers with everything an unpacker must get right; the outcome beneath /t is in tests/integration/layers.expected."""
from layer import Layer

# cap_net_bind_service in the permitted set, as the kernel stores it (version 2, not effective).
CAPABILITY = "\x01\x00\x00\x02\x00\x04" + "\x00" * 14
LONG_FOLDER = "t/" + "n" * 120
LONG_FILE = LONG_FOLDER + "/" + "f" * 200


def first():
    layer = Layer().dir("t")
    layer.dir("t/etc").file("t/etc/removed", "first").file("t/etc/replaced", "old").file("t/etc/stays", "stays")
    layer.dir("t/hidden").file("t/hidden/old", "old").dir("t/hidden/sub").file("t/hidden/sub/old", "old")
    layer.dir("t/late").file("t/late/old", "old")
    layer.dir("t/gone").file("t/gone/file", "gone").dir("t/gone/deep").file("t/gone/deep/file", "gone")
    layer.dir("t/kept", 0o750, (10, 20)).file("t/kept/data", "data", 0o640, (1000, 1001))
    layer.dir("t/links").file("t/links/one", "linked").hardlink("t/links/two", "t/links/one")
    layer.symlink("t/links/relative", "one").symlink("t/links/absolute", "/t/links/one")
    layer.symlink("t/links/dangling", "../nowhere").symlink("t/links/outside", "../../../../../../etc/passwd")
    layer.dir("t/modes").file("t/modes/setuid", "s", 0o4755).file("t/modes/setgid", "s", 0o2755, (0, 8))
    layer.dir("t/modes/sgid", 0o2775, (0, 8)).dir("t/modes/sticky", 0o1777).file("t/modes/none", "n", 0)
    layer.dir("t/xattr").file("t/xattr/user", "x", xattrs={"user.slipway": "hello"})
    layer.file("t/xattr/capable", "c", 0o755, xattrs={"security.capability": CAPABILITY})
    layer.dir("t/nodes").fifo("t/nodes/fifo", 0o620).device("t/nodes/null", 1, 3)
    layer.dir(LONG_FOLDER).file(LONG_FILE, "long")
    layer.dir("t/names").file("t/names/ünïcode", "u").file("t/names/with space", "s").file("t/names/.whatever", "w")
    layer.file("t/owned", "o", 0o600, (3000000, 3000001))
    layer.file("t/turns-folder", "file").dir("t/turns-file").file("t/turns-file/inside", "i")
    # No entry for the folder itself: unpackers make it, with the usual mode.
    return layer.file("t/implied/folder/file", "i")


def second():
    layer = Layer().whiteout("t/etc/removed").whiteout("t/gone").opaque("t/hidden")
    layer.file("t/hidden/new", "new").file("t/etc/replaced", "new", 0o600)
    layer.file("t/links/one", "linked").hardlink("t/links/two", "t/links/one").hardlink("t/links/three", "t/links/one")
    layer.dir("t/kept", 0o700, (10, 20))
    return layer.dir("t/turns-folder").file("t/turns-folder/inside", "i").file("t/turns-file", "file")


def third():
    layer = Layer().file("t/etc/removed", "back").whiteout("t/hidden/new").file("t/hidden/newest", "newest")
    layer.whiteout("t/etc/never-was")
    # The opaque mark speaks of lower layers only, also when it comes after this layer's own files.
    return layer.dir("t/late").file("t/late/new", "new").opaque("t/late")


def layers():
    return [first(), second(), third(), Layer()]
